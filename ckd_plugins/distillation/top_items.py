"""What each teacher ranks highest for a row: worked out when the row comes up first, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ckd_plugins.distillation.candidates.base import Candidates
from ckd_plugins.distillation.reading import read_teachers, rows_at_once

if TYPE_CHECKING:
    from ckd_plugins.signals.base import Signal

__all__ = ["TopItems"]


class TopItems:
    """The ``n`` items that each of ``K`` teachers scores highest, row by row.

    A row's list takes the teachers' scores of the whole catalogue, once: what teachers hold of a row does not change.
    It costs in the first epoch what integrating them once would, and after that a look-up. Kept: four bytes an item,
    in main memory.

    Args:
        signals: the teachers.
        n_items: number of item ids, padding included.
        n: length of a list; shorter where the catalogue is smaller.
    """

    def __init__(self, signals: Sequence[Signal], n_items: int, n: int) -> None:
        self._signals, self._n_items, self._n = tuple(signals), n_items, min(n, n_items - 1)
        self._lists = torch.empty(0, len(signals), self._n, dtype=torch.int32)
        self._made = torch.empty(0, dtype=torch.bool)

    def at(self, rows: Tensor) -> Tensor:
        """Return the lists of ``rows`` (int64 ``[B]``): item ids int64 ``[B, K, n]``, best first, on their device.

        0 where a teacher does not know the row, or knows fewer than ``n`` items.
        """
        here = rows.cpu()
        self._reach(int(here.max()) + 1 if len(here) else 0)
        new = torch.unique(here[~self._made[here]])
        for part in new.split(rows_at_once(len(self._signals), self._n_items)):
            self._lists[part] = self._work(part.to(rows.device)).to("cpu", torch.int32)
            self._made[part] = True
        return self._lists[here].to(rows.device, torch.int64)

    def _reach(self, rows: int) -> None:
        """Make room for row ids below ``rows``, doubling, so that few copies are made."""
        if rows > len(self._made):
            more = max(rows, 2 * len(self._made)) - len(self._made)
            self._lists = torch.cat([self._lists, self._lists.new_zeros(more, *self._lists.shape[1:])])
            self._made = torch.cat([self._made, self._made.new_zeros(more)])

    @torch.no_grad()
    def _work(self, rows: Tensor) -> Tensor:
        every = Candidates(items=torch.arange(1, self._n_items, device=rows.device), target=torch.full_like(rows, -1))
        reading = read_teachers(self._signals, rows, every, torch.float32)
        logits = reading.logits
        if reading.mask is not None:
            logits = logits.masked_fill(~reading.mask, -torch.inf)
        score, column = logits.topk(self._n, dim=-1)
        listed = (column + 1).masked_fill(torch.isneginf(score) | ~reading.known.unsqueeze(-1), 0)
        return listed.transpose(0, 1)
