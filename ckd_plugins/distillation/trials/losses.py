"""A trial of losses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins.distillation.losses.base import Loss, VectorShape
from ckd_plugins.distillation.numerics import masked_log_softmax
from ckd_plugins.distillation.target import Target, TeacherVectors
from ckd_plugins.distillation.trials.steady import differs, shape_of
from ckd_plugins.errors import CkdError, PluginError

__all__ = ["try_loss"]

_SIZES = ((6, 200), (1, 200), (6, 3), (1, 1))
"""Rows and candidates; an epoch's last batch may be one row and its target."""
_WIDTHS = (3, 4)
"""Lengths of the teachers' vectors."""


@dataclass(frozen=True)
class _Comparison:
    student: Tensor
    target: Target
    mask: Tensor | None = None

    def rows(self, count: int) -> _Comparison:
        """The first rows, in tensors of their own."""
        target, vectors = self.target, self.target.vectors
        part = replace(
            target,
            log_probs=target.log_probs[:count].clone(),
            gate=target.gate[:count].clone(),
            weights=target.weights[:, :count].clone(),
            confidence=target.confidence[:, :count].clone(),
            consistency=target.consistency[:, :count].clone(),
            vectors=vectors
            and TeacherVectors(tuple(one[:count].clone() for one in vectors.vectors), vectors.known[:, :count].clone()),
        )
        mask = None if self.mask is None else self.mask[:count].clone()
        return _Comparison(self.student.detach()[:count].clone().requires_grad_(), part, mask)

    def same(self, other: _Comparison) -> bool:
        """Whether nothing was written into."""
        mine, theirs = (
            [c.student, c.target.log_probs, c.target.gate, c.target.weights, *(c.target.vectors or _NONE).vectors]
            for c in (self, other)
        )
        return all(torch.equal(one, two) for one, two in zip(mine, theirs, strict=True))


_NONE = TeacherVectors((), torch.empty(0))


def try_loss(loss: object) -> None:
    """Let a loss compare made-up scores, or vectors, with a made-up target.

    Args:
        loss: fresh from its factory; it is bound here.

    Raises:
        CkdError: as it raises one itself.
        PluginError: it is no loss, it fails, what it gives is not what :meth:`Loss.forward` promises, its rows see one
            another, or it writes into what it is given.
    """
    if not isinstance(loss, Loss):
        raise PluginError(f"is a {type(loss).__name__}, not a ckd_plugins.distillation.Loss")
    vectors = loss.compares == "vectors"
    with torch.random.fork_rng(devices=[]):
        for number, comparison in enumerate(_vectors() if vectors else _scores()):
            try:
                if not number:
                    if vectors:
                        width = comparison.student.shape[-1]
                        loss.bind_vectors(width, [VectorShape(width, (1.0, 1.0)) for width in _WIDTHS])
                    loss.set_epoch(0)
                _compare(loss, comparison)
            except CkdError:
                raise
            except FAULTS as error:
                raise PluginError(f"fails on scores {tuple(comparison.student.shape)}: {sentence(error)}") from error


def _compare(loss: Loss, comparison: _Comparison) -> None:
    rows = len(comparison.student)
    given = comparison.rows(rows)
    terms = _seeded(loss, given)
    _check_terms(terms, given.student)
    if not given.same(comparison):
        raise PluginError("writes into the scores or the target, which others read after it; let it work on copies")
    again = _seeded(loss, comparison.rows(rows), seed=1)
    if rows == 1 or any(differs(value, again[name]) for name, value in terms.items()):
        return  # it draws random numbers
    half = _seeded(loss, comparison.rows(rows // 2))
    if any(differs(value[: rows // 2], half[name]) for name, value in terms.items()):
        raise PluginError(
            "gives a row another value where other rows stand beside it; rows are worked in chunks, and none may see "
            "another"
        )


def _seeded(loss: Loss, comparison: _Comparison, seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    terms: dict[str, Tensor] = loss(comparison.student, comparison.target, comparison.mask)
    return terms


def _vectors() -> Iterator[_Comparison]:
    draw, k = torch.Generator().manual_seed(0), len(_WIDTHS)
    for rows in (6, 1):
        share = torch.full((k, rows), 1 / k)
        known = torch.ones(k, rows, 2, dtype=torch.bool)
        known[0, -1] = rows == 1
        drawn = (torch.randn(rows, 2, width, generator=draw) for width in _WIDTHS)
        given = tuple(vectors * known[n, :, :, None] for n, vectors in enumerate(drawn))
        target = Target(torch.empty(rows, 0), torch.ones(rows), share, share, share, TeacherVectors(given, known))
        yield _Comparison(torch.randn(rows, 2, max(_WIDTHS), generator=draw), target)


def _scores() -> Iterator[_Comparison]:
    draw, k = torch.Generator().manual_seed(0), len(_WIDTHS)
    for rows, items in _SIZES:
        share = torch.full((k, rows), 1 / k)
        for masked in (False, True) if items > 2 else (False,):
            mask = torch.ones(rows, items, dtype=torch.bool) if masked else None
            if mask is not None:
                mask[rows // 2, 1] = False
            log_probs = masked_log_softmax(torch.randn(rows, items, generator=draw), mask)
            target = Target(log_probs, torch.ones(rows), share, share, share)
            yield _Comparison(torch.randn(rows, items, generator=draw), target, mask)


def _check_terms(terms: object, student: Tensor) -> None:
    if not isinstance(terms, dict) or not terms:
        raise PluginError(f"gives a {type(terms).__name__}; a dict of named terms, each [B], is asked for")
    wanted, shape = (len(student),), tuple(student.shape)
    for name, value in terms.items():
        if not isinstance(value, Tensor) or tuple(value.shape) != wanted:
            raise PluginError(
                f"gives the term {name!r} of shape {shape_of(value)} for scores {shape}; one number a row is asked "
                f"for, {wanted}"
            )
        if not bool(value.isfinite().all()):
            raise PluginError(f"gives a term {name!r} that is not finite for scores {shape}")
    total = torch.stack(list(terms.values())).sum()
    (gradient,) = torch.autograd.grad(total, student, allow_unused=True) if total.requires_grad else (None,)
    if gradient is None:
        raise PluginError("gives the student no gradient, so that nothing would be distilled")
    if not bool(gradient.isfinite().all()):
        raise PluginError(f"gives the student a gradient that is not finite for scores {shape}")
