"""Candidates: the whole catalogue."""

from __future__ import annotations

import torch
from torch import Tensor

from ckd_plugins.distillation.candidates.base import Candidates, CandidateSource

__all__ = ["Full"]


class Full(CandidateSource):
    """All items ``1 .. n_items - 1``.

    The exact form of what the other sources sample. For students whose own loss scores the catalogue anyway; the
    objective then reads the teachers in chunks of rows, so that ``rows x items x teachers`` is never held.
    """

    def __init__(self) -> None:
        self._items = torch.empty(0, dtype=torch.int64)

    def bind(self, n_items: int, popularity: Tensor) -> None:
        """Learn the size of the catalogue."""
        self._items = torch.arange(1, n_items)

    def choose(self, rows: Tensor, targets: Tensor) -> Candidates:
        """Return ``[n_items - 1]`` items; column = item id - 1."""
        if not len(self._items):
            raise RuntimeError("Full.bind(n_items, popularity) must be called before the first batch")
        if self._items.device != targets.device:
            self._items = self._items.to(targets.device)
        return Candidates(items=self._items, target=targets - 1)
