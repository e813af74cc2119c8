"""Inner products of rows' vectors with those of candidates, the cheapest way for what the candidates have in common."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["products", "shared_products"]

_GATHER_COST = 32
"""A gathered vector costs as much as so many in a dense product, the ways back included (one core, d = 64): where the
batch's candidates repeat, scoring the distinct ones and picking is the faster way."""


def products(vectors: Tensor, table: Tensor, candidates: Tensor) -> Tensor:
    """Multiply each row's vector with its candidates', with gradients to both.

    Args:
        vectors: float ``[B, d]``.
        table: float ``[n, d]``, by item id.
        candidates: int64 ``[C]``, the same for all rows, or ``[B, C]``.

    Returns:
        ``[B, C]``, of the dtype of ``vectors @ table.T``.
    """
    if candidates.ndim == 1:
        return vectors @ F.embedding(candidates, table).T
    if (found := shared_products(vectors, table, candidates)) is not None:
        return found
    used = torch.zeros(len(table), dtype=torch.bool, device=candidates.device)
    used[candidates.flatten()] = True
    items = used.nonzero()[:, 0]
    if len(items) <= _GATHER_COST * candidates.shape[1]:
        column = used.cumsum(0) - 1
        return (vectors @ F.embedding(items, table).T).gather(1, column[candidates])
    return torch.bmm(F.embedding(candidates, table), vectors[:, :, None])[..., 0]


def shared_products(vectors: Tensor, table: Tensor, candidates: Tensor) -> Tensor | None:
    """Do the same in one matrix product, if all rows of ``[B, C]`` candidates are alike after the first column.

    So are those of the sources that put each row's own target before items for the whole batch.
    """
    tail = candidates[:, 1:]
    # Most batches that are not alike differ in these two rows.
    if not len(tail) or not torch.equal(tail[0], tail[-1]) or not bool((tail == tail[0]).all()):
        return None
    own = (vectors * F.embedding(candidates[:, 0], table)).sum(dim=1, keepdim=True)
    rest = vectors @ F.embedding(tail[0], table).T
    return torch.cat([own.to(rest.dtype), rest], dim=1)  # autocast lowers the second only
