"""Candidates: what the teachers rank highest for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ckd_plugins.distillation.candidates.base import Candidates, CandidateSource
from ckd_plugins.errors import ConfigError

if TYPE_CHECKING:
    from ckd_plugins.distillation.top_items import TopItems
    from ckd_plugins.signals.base import Signal

__all__ = ["TeachersTop"]


class TeachersTop(CandidateSource):
    """Each row's own target and each teacher's top ``n`` for that row: ``[B, 1 + K n]``; the union, each item once.

    The items on which teachers have most to say, and those that a ranking is judged by. Nothing is random. Where
    lists are stored with the teachers' vectors (``ckd.signals.top``, ``n`` or more), they are read there. Else each row
    is put to the teachers over the whole catalogue when it comes up first, and its lists are kept.

    Source: Tang & Wang, "Ranking Distillation", KDD 2018 (arXiv:1809.07428) distils the teacher's top of the
    catalogue; the union over several teachers, and with the batch's targets, is ours.

    Args:
        n: items of each teacher; fewer where the catalogue is smaller, or the teacher knows fewer.
        batch: whether the batch's distinct targets are candidates of every row too. They are as many as the batch has
            rows, and read row by row: for small batches, or students for which many candidates are cheap.

    Raises:
        ConfigError: ``n`` is not positive.
    """

    def __init__(self, *, n: int = 20, batch: bool = False) -> None:
        if n < 1:
            raise ConfigError(f"candidates teachers_top: n must be 1 or more, not {n}")
        self.n, self.batch = n, batch
        self._n_items = 0
        self._signals: tuple[Signal, ...] = ()
        self._top: TopItems | None = None

    def bind(self, n_items: int, popularity: Tensor) -> None:
        """Learn the size of the catalogue."""
        self._n_items, self._top = n_items, None

    def bind_teachers(self, signals: Sequence[Signal]) -> None:
        """Learn whose lists are taken."""
        self._signals, self._top = tuple(signals), None

    def choose(self, rows: Tensor, targets: Tensor) -> Candidates:
        """Return ``[B, C]`` items, the own target in column 0; what is masked repeats an item or fills a short list."""
        parts = [targets[:, None], self._lists().at(rows).flatten(1)]
        if self.batch:
            parts.append(torch.unique(targets).expand(len(targets), -1))
        items = torch.cat(parts, dim=1)
        mask = _first(items) & (items != 0)
        return Candidates(
            items=torch.where(items != 0, items, targets[:, None]), target=torch.zeros_like(targets), mask=mask
        )

    def _lists(self) -> TopItems:
        # Not at the top: what reads teachers needs candidates.
        from ckd_plugins.distillation.top_items import TopItems

        if not self._n_items or not self._signals:
            raise RuntimeError("TeachersTop.bind and bind_teachers must be called before the first batch")
        if self._top is None:
            self._top = TopItems(self._signals, self._n_items, self.n)
        return self._top


def _first(items: Tensor) -> Tensor:
    """Where an item stands for the first time in its row: bool, in the shape of ``items`` ``[B, C]``."""
    ordered, order = items.sort(dim=1, stable=True)
    again = torch.zeros_like(ordered, dtype=torch.bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return ~torch.zeros_like(again).scatter_(1, order, again)
