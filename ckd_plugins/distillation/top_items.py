"""What each teacher ranks highest for a row: looked up where it is stored, else worked out once and kept."""

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

    Teachers that know their best (:meth:`Signal.best`; ``ckd.signals.top`` stores it) are asked for them. A list of
    the others takes their scores of the whole catalogue, once: what teachers hold of a row does not change. It costs
    in the first epoch what integrating them once would, and after that a look-up. Kept: four bytes an item, in main
    memory.

    Args:
        signals: the teachers.
        n_items: number of item ids, padding included.
        n: length of a list; shorter where the catalogue is smaller.
    """

    def __init__(self, signals: Sequence[Signal], n_items: int, n: int) -> None:
        self._signals, self._n_items, self._n = tuple(signals), n_items, min(n, n_items - 1)
        nothing = torch.empty(0, dtype=torch.int64)
        self._scored = [k for k, signal in enumerate(signals) if signal.best(nothing, self._n) is None]
        self._lists = torch.empty(0, len(self._scored), self._n, dtype=torch.int32)
        self._made = torch.empty(0, dtype=torch.bool)

    def at(self, rows: Tensor) -> Tensor:
        """Return the lists of ``rows`` (int64 ``[B]``): item ids int64 ``[B, K, n]``, best first, on their device.

        0 where a teacher does not know the row, or knows fewer than ``n`` items.
        """
        lists = torch.empty(len(rows), len(self._signals), self._n, dtype=torch.int64, device=rows.device)
        if self._scored:
            lists[:, self._scored] = self._kept(rows)
        for k, signal in enumerate(self._signals):
            if k not in self._scored:
                best = signal.best(rows, self._n)
                assert best is not None
                lists[:, k] = best
        return lists

    def _kept(self, rows: Tensor) -> Tensor:
        """Return the lists of the teachers that have to be scored, int64 ``[B, K', n]``, working out what is new."""
        here = rows.cpu()
        self._reach(int(here.max()) + 1 if len(here) else 0)
        new = torch.unique(here[~self._made[here]])
        for part in new.split(rows_at_once(len(self._scored), self._n_items)):
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
        reading = read_teachers([self._signals[k] for k in self._scored], rows, every, torch.float32)
        logits = reading.logits
        if reading.mask is not None:
            logits = logits.masked_fill(~reading.mask, -torch.inf)
        score, column = logits.topk(self._n, dim=-1)
        listed = (column + 1).masked_fill(torch.isneginf(score) | ~reading.known.unsqueeze(-1), 0)
        return listed.transpose(0, 1)
