"""Several domains as one: their sequences, and a batch of them with the items that occur in it numbered anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ckd_plugins.domains.domain import Domain
from ckd_plugins.teachers.windows import Batch, Windows

__all__ = ["InBatch", "in_batch", "joined"]

Int64 = npt.NDArray[np.int64]


def joined(domains: Sequence[Domain]) -> tuple[Int64, Int64, str]:
    """Return the users' sequences of several domains, one after the other.

    Returns:
        ``[U + 1]`` bounds of each user's part, ``[N]`` item indices, of which a domain's begin where the one before
        ends, and what messages call them all.
    """
    shift = np.cumsum([0, *(d.n_items for d in domains)])
    flat = np.concatenate([d.sequence.astype(np.int64) + s for d, s in zip(domains, shift, strict=False)])
    lengths = np.concatenate([np.diff(d.offsets) for d in domains])
    return np.concatenate([[0], np.cumsum(lengths)]), flat, ", ".join(d.name for d in domains)


@dataclass(frozen=True)
class InBatch:
    """What pre-training reads of a batch. Item vectors are made for ``present`` alone, once."""

    present: Tensor
    """``[m]`` items that occur, by their number in all domains; the padding item 0 first."""
    items: Tensor
    """``[B, L]`` rows of ``present``, 0 for padding."""
    row: Tensor
    """``[P]`` row of each state that is read."""
    column: Tensor
    """``[P]`` column of each state that is read."""
    target: Tensor
    """``[P]`` the next item, as a row of ``present``."""

    @property
    def newest(self) -> Tensor:
        """``[B]``: which of the ``P`` states is each row's newest."""
        number = torch.arange(len(self.row), device=self.row.device)
        return number.new_zeros(len(self.items)).scatter_reduce(0, self.row, number, "amax")


def in_batch(batch: Batch, windows: Windows, device: str) -> InBatch:
    """Return the batch as tensors, with the items numbered among those that occur in it."""
    items = torch.from_numpy(batch.items)
    target = torch.from_numpy(windows.flat[batch.position + 1])
    present, number = torch.unique(torch.cat([items.new_zeros(1), items.flatten(), target]), return_inverse=True)
    items, target = number[1 : 1 + items.numel()].view_as(items), number[1 + items.numel() :]
    row, column = torch.from_numpy(batch.row), torch.from_numpy(batch.column)
    return InBatch(*(t.to(device) for t in (present, items, row, column, target)))
