"""A small made-up batch for integrators and losses: what breaks their contract is named before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins.distillation.integrators.base import Integrator
from ckd_plugins.distillation.losses.base import Loss, VectorShape
from ckd_plugins.distillation.target import Target, TeacherVectors
from ckd_plugins.errors import CkdError, PluginError

__all__ = ["try_integrator", "try_loss"]

_B, _C, _WIDTHS = 6, 200, (3, 4)
"""Rows; candidates, so many that a part which looks at the best dozen finds them; lengths of teachers' vectors."""
_CLOSE = 1e-3
"""What sums of shares may be off by."""


def try_integrator(integrator: object, teachers: Sequence[str]) -> None:
    """Let an integrator join made-up teachers: one does not know a row, and one row is known to none.

    Args:
        integrator: fresh from its factory; it is bound here.
        teachers: names for it.

    Raises:
        CkdError: as it raises one itself: the teachers do not suit its options.
        PluginError: it is no integrator, it fails, or what it gives is not what :meth:`Integrator.weigh` promises. The
            message goes on from its name: ``"gives weights that ..."``.
    """
    if not isinstance(integrator, Integrator):
        raise PluginError(f"is a {type(integrator).__name__}, not a ckd_plugins.distillation.integrators.Integrator")
    with torch.random.fork_rng(devices=[]):
        draw, k = torch.Generator().manual_seed(0), len(teachers)
        logits, column = torch.randn(k, _B, _C, generator=draw), torch.tensor([0, 1, 2, 3, 4, -1])
        known = torch.ones(k, _B, dtype=torch.bool)
        known[0, 1] = known[:, 2] = False
        try:
            integrator.bind(list(teachers))
            integrator.set_epoch(0)
            found = [integrator.integrate(logits, known, column, mask) for mask in _masks()]
        except CkdError:
            raise
        except FAULTS as error:
            raise PluginError(
                f"fails on {_B} rows, {_C} candidates and {k} teacher{'s' if k > 1 else ''}: {sentence(error)}"
            ) from error
    for target in found:
        _check_target(target, known)


def try_loss(loss: object) -> None:
    """Let a loss compare made-up scores, or vectors, with a made-up target.

    Args:
        loss: fresh from its factory; it is bound here.

    Raises:
        CkdError: as it raises one itself.
        PluginError: it is no loss, it fails, or what it gives is not what :meth:`Loss.forward` promises. The message
            goes on from its name.
    """
    if not isinstance(loss, Loss):
        raise PluginError(f"is a {type(loss).__name__}, not a ckd_plugins.distillation.Loss")
    with torch.random.fork_rng(devices=[]):
        for student, target, mask in _comparisons(loss.compares == "vectors"):
            try:
                if target.vectors is not None:
                    loss.bind_vectors(student.shape[-1], [VectorShape(width, (1.0, 1.0)) for width in _WIDTHS])
                loss.set_epoch(0)
                terms = loss(student, target, mask)
            except CkdError:
                raise
            except FAULTS as error:
                raise PluginError(f"fails on scores {tuple(student.shape)}: {sentence(error)}") from error
            _check_terms(terms, student)


def _masks() -> Iterator[Tensor | None]:
    yield None
    mask = torch.ones(_B, _C, dtype=torch.bool)
    mask[3, 4] = False
    yield mask


def _comparisons(vectors: bool) -> Iterator[tuple[Tensor, Target, Tensor | None]]:
    draw, k = torch.Generator().manual_seed(0), len(_WIDTHS)
    share = torch.full((k, _B), 1 / k)
    if vectors:
        known = torch.ones(k, _B, 2, dtype=torch.bool)
        known[0, 1] = False
        drawn = (torch.randn(_B, 2, width, generator=draw) for width in _WIDTHS)
        given = tuple(vectors * known[n, :, :, None] for n, vectors in enumerate(drawn))
        target = Target(torch.empty(0), torch.ones(_B), share, share, share, TeacherVectors(given, known))
        yield torch.randn(_B, 2, max(_WIDTHS), generator=draw).requires_grad_(), target, None
        return
    for mask in _masks():
        log_probs = torch.randn(_B, _C, generator=draw).log_softmax(dim=1)
        target = Target(log_probs, torch.ones(_B), share, share, share)
        yield torch.randn(_B, _C, generator=draw).requires_grad_(), target, mask


def _check_target(target: object, known: Tensor) -> None:
    if not isinstance(target, Target):
        raise PluginError(f"integrates to a {type(target).__name__}, not a ckd_plugins.distillation.Target")
    for what, value, shape in (
        ("weights", target.weights, tuple(known.shape)),
        ("a gate", target.gate, (_B,)),
        ("log-probabilities", target.log_probs, (_B, _C)),
    ):
        if not isinstance(value, Tensor) or tuple(value.shape) != shape:
            raise PluginError(f"gives {what} of shape {_shape(value)}; {shape} is asked for")
        if not bool(value.isfinite().all()):
            raise PluginError(f"gives {what} that are not all finite")
    # A row whose gate is 0 teaches nothing, whatever it weighs.
    weights, taught = target.weights.detach(), known.any(dim=0) & (target.gate != 0)
    if bool((weights < 0).any()):
        raise PluginError("gives weights below 0")
    if bool((weights[~known] != 0).any()):
        raise PluginError("gives weight to a teacher that does not know the row")
    off = (weights.sum(dim=0) - 1)[taught]
    if bool((off.abs() > _CLOSE).any()):
        total = 1 + float(off[off.abs().argmax()])
        raise PluginError(f"gives weights that sum to {total:.3g}, not 1, over the teachers that know a row")
    if bool((target.gate < 0).any()):
        raise PluginError("gives a gate below 0")
    mass = target.log_probs.detach().exp().sum(dim=1)[taught]
    if bool(((mass - 1).abs() > _CLOSE).any()):
        raise PluginError(f"gives probabilities that sum to {float(mass.max()):.3g}, not 1")


def _check_terms(terms: object, student: Tensor) -> None:
    if not isinstance(terms, dict) or not terms:
        raise PluginError(f"gives a {type(terms).__name__}; a dict of named terms, each [B], is asked for")
    for name, value in terms.items():
        if not isinstance(value, Tensor) or tuple(value.shape) != (_B,):
            raise PluginError(
                f"gives the term {name!r} of shape {_shape(value)}; one number a row is asked for, {(_B,)}"
            )
        if not bool(value.isfinite().all()):
            raise PluginError(f"gives a term {name!r} that is not finite")
    total = torch.stack(list(terms.values())).sum()
    (gradient,) = torch.autograd.grad(total, student, allow_unused=True) if total.requires_grad else (None,)
    if gradient is None:
        raise PluginError("gives the student no gradient, so that nothing would be distilled")
    if not bool(gradient.isfinite().all()):
        raise PluginError("gives the student a gradient that is not finite")


def _shape(value: object) -> object:
    return tuple(value.shape) if isinstance(value, Tensor) else f"none, being a {type(value).__name__}"
