"""A trial of integrators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins.distillation.integrators.base import Integrator
from ckd_plugins.distillation.target import Target
from ckd_plugins.distillation.trials.steady import CLOSE, differs, shape_of
from ckd_plugins.errors import CkdError, PluginError

__all__ = ["try_integrator"]

_B, _C = 6, 200
"""Rows; candidates, so many that a part which looks at the best dozen finds them."""


def try_integrator(integrator: object, teachers: Sequence[str]) -> None:
    """Let an integrator join made-up teachers: one does not know a row, and one row is known to none.

    Args:
        integrator: fresh from its factory; it is bound here.
        teachers: names for it.

    Raises:
        CkdError: as it raises one itself: the teachers do not suit its options.
        PluginError: it is no integrator, it fails, what it gives is not what :meth:`Integrator.weigh` promises, or its
            rows see one another.
    """
    if not isinstance(integrator, Integrator):
        raise PluginError(f"is a {type(integrator).__name__}, not a ckd_plugins.distillation.integrators.Integrator")
    with torch.random.fork_rng(devices=[]):
        draw, k = torch.Generator().manual_seed(0), len(teachers)
        logits, column = torch.randn(k, _B, _C, generator=draw), torch.tensor([0, 1, 2, 3, 4, -1])
        known = torch.ones(k, _B, dtype=torch.bool)
        known[0, 1] = known[:, 2] = False

        def integrate(mask: Tensor | None, rows: int = _B, seed: int = 0) -> Target:
            torch.manual_seed(seed)
            part = None if mask is None else mask[:rows]
            return integrator.integrate(logits[:, :rows].clone(), known[:, :rows].clone(), column[:rows], part)

        try:
            integrator.bind(list(teachers))
            integrator.set_epoch(0)
            found = [integrate(mask) for mask in _masks()]
            # Of one that draws random numbers, or remembers, two answers differ anyway.
            again, half = integrate(None, seed=1), integrate(None, rows=_B // 2)
        except CkdError:
            raise
        except FAULTS as error:
            raise PluginError(
                f"fails on {_B} rows, {_C} candidates and {k} teacher{'s' if k > 1 else ''}: {sentence(error)}"
            ) from error
    for target in found:
        _check_target(target, known)
    whole = found[0]
    if differs(whole.weights, again.weights) or differs(whole.gate, again.gate):
        return
    rows = _B // 2
    if differs(whole.weights[:, :rows], half.weights) or differs(whole.gate[:rows], half.gate):
        raise PluginError("weighs a row otherwise where other rows stand beside it; no row may see another")


def _masks() -> Iterator[Tensor | None]:
    yield None
    mask = torch.ones(_B, _C, dtype=torch.bool)
    mask[3, 4] = False
    yield mask


def _check_target(target: object, known: Tensor) -> None:
    if not isinstance(target, Target):
        raise PluginError(f"integrates to a {type(target).__name__}, not a ckd_plugins.distillation.Target")
    for what, value, shape in (
        ("weights", target.weights, tuple(known.shape)),
        ("a gate", target.gate, (_B,)),
        ("log-probabilities", target.log_probs, (_B, _C)),
    ):
        if not isinstance(value, Tensor) or tuple(value.shape) != shape:
            raise PluginError(f"gives {what} of shape {shape_of(value)}; {shape} is asked for")
        if not bool(value.isfinite().all()):
            raise PluginError(f"gives {what} that are not all finite")
    # A row whose gate is 0 teaches nothing, whatever it weighs.
    weights, taught = target.weights.detach(), known.any(dim=0) & (target.gate != 0)
    if bool((weights < 0).any()):
        raise PluginError("gives weights below 0")
    if bool((weights[~known] != 0).any()):
        raise PluginError("gives weight to a teacher that does not know the row")
    off = (weights.sum(dim=0) - 1)[taught]
    if bool((off.abs() > CLOSE).any()):
        total = 1 + float(off[off.abs().argmax()])
        raise PluginError(f"gives weights that sum to {total:.3g}, not 1, over the teachers that know a row")
    if bool((target.gate < 0).any()):
        raise PluginError("gives a gate below 0")
    mass = target.log_probs.detach().exp().sum(dim=1)[taught]
    if bool(((mass - 1).abs() > CLOSE).any()):
        raise PluginError(f"gives probabilities that sum to {float(mass.max()):.3g}, not 1")
