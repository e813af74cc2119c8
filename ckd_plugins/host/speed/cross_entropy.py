"""Cross-entropy of a product over the catalogue, worked in chunks of rows, with soft targets in the same pass.

Logits are made, used and forgotten chunk by chunk; both gradients come out of the pass that makes the loss (as in
Wijmans et al. 2025, "Cut Your Losses", for language models). Further targets for the same rows, listed with weights,
are compared in that pass too: the product, the exponentials and the gradients' products are there already, so that what
is added is a look-up and a scatter for each listed item.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Shared", "linear_cross_entropy", "shared_softmax"]

_CHUNK = 1 << 20
"""Logits at a time: 4 MiB in single precision."""


@dataclass
class Shared:
    r"""Soft targets for the rows of the next softmax over the catalogue.

    .. math:: \ell_u = -\sum_j w_{uj} \log q_u(j)
    """

    ids: Tensor
    """int64 ``[B, m]`` columns of the catalogue."""
    weights: Tensor
    """float ``[B, m]``, on any scale; 0 for entries that are none."""
    loss: Tensor | None = None
    """``[B]``, set by the softmax that took the targets. Without gradient: the sum is part of the loss that it gave."""


_WANTED: ContextVar[Shared | None] = ContextVar("ckd_shared_softmax", default=None)


@contextmanager
def shared_softmax(ids: Tensor, weights: Tensor) -> Iterator[Shared]:
    """Have the first softmax within, if it is over as many rows, add soft targets to its loss.

    Args:
        ids: int64 ``[B, m]``.
        weights: float ``[B, m]``.

    Yields:
        What the softmax leaves its part of the loss in; still ``None`` afterwards if none took the targets.
    """
    shared = Shared(ids, weights)
    token = _WANTED.set(shared)
    try:
        yield shared
    finally:
        _WANTED.reset(token)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, target: Tensor, soft: Shared | None) -> Tensor:
        rows, step = len(x), max(1, _CHUNK // len(table))
        to_x, to_table = torch.empty_like(x), torch.zeros_like(table)
        losses = x.new_empty(rows)
        learns = any(ctx.needs_input_grad)
        chunk = x.new_empty(min(step, rows), len(table))
        scale = x.new_full((rows, 1), 1 / rows)
        if soft is not None:
            scale += soft.weights.sum(dim=1, keepdim=True)
            soft.loss = x.new_empty(rows)
        for begin in range(0, rows, step):
            piece = slice(begin, begin + step)
            part = x[piece]
            p = torch.mm(part, table.t(), out=chunk[: len(part)])
            own = p.gather(1, target[piece, None])
            if soft is not None:
                listed = (p.gather(1, soft.ids[piece]) * soft.weights[piece]).sum(dim=1, keepdim=True)
            highest = p.amax(dim=1, keepdim=True)
            total = p.sub_(highest).exp_().sum(dim=1, keepdim=True)
            normaliser = highest + total.log()
            losses[piece] = (normaliser - own)[:, 0]
            if soft is not None and soft.loss is not None:
                soft.loss[piece] = ((scale[piece] - 1 / rows) * normaliser - listed)[:, 0]
            if learns:
                share = scale[piece] / total
                if soft is None:  # (softmax - one-hot) / rows; the target's share is taken off at the end
                    torch.mm(p, table, out=to_x[piece]).mul_(share)
                    to_table.addmm_(p.t(), part * share)
                else:  # listed items are too many for that: they are taken off the chunk, which is in the cache
                    p.mul_(share).scatter_add_(1, soft.ids[piece], -soft.weights[piece])
                    torch.mm(p, table, out=to_x[piece])
                    to_table.addmm_(p.t(), part)
        if learns:
            to_x.sub_(table[target], alpha=1 / rows)
            to_table.index_add_(0, target, x, alpha=-1 / rows)
            ctx.save_for_backward(to_x, to_table)
        return losses.mean() if soft is None or soft.loss is None else losses.mean() + soft.loss.sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        to_x, to_table = ctx.saved_tensors
        return to_x * gradient, to_table * gradient, None, None


def linear_cross_entropy(x: Tensor, table: Tensor, target: Tensor) -> Tensor:
    """Mean over rows of ``cross_entropy(x @ table.T, target)``, and what :func:`shared_softmax` adds.

    Args:
        x: ``[B, d]``.
        table: ``[n, d]``.
        target: int64 ``[B]``, in ``[0, n)``.

    Returns:
        A scalar with gradients to ``x`` and ``table``; it can be differentiated once.
    """
    soft = _WANTED.get()
    if soft is not None and (soft.loss is not None or len(soft.ids) != len(x)):
        soft = None
    loss: Tensor = _LinearCrossEntropy.apply(x, table, target, soft)  # type: ignore[no-untyped-call]
    return loss
