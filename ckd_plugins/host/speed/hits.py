"""What metrics of the best k need of a batch of scores, without tables of the scores' size.

RecBole's ``Collector`` fills an integer table of all users and items to look up which of the best k are positives,
finds the best k once for each kind of metric, and appends each batch to all the batches before by copying them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ckd_plugins.host.speed.best import best_columns

__all__ = ["BestCollector", "asks_for_the_best_only", "hits"]

_OTHERS = ("rec.meanrank", "rec.score", "data.label")
"""What is made of all scores; metrics of the best k read ``rec.topk`` (hits) and ``rec.items`` (who is there)."""


def asks_for_the_best_only(collector: Any) -> bool:
    """Whether a RecBole ``Collector``'s metrics can do with the best k items of each row: not (G)AUC, not losses."""
    return not any(collector.register.need(name) for name in _OTHERS)


def hits(best: Tensor, row: Tensor, item: Tensor, n_items: int) -> Tensor:
    """Which of the best items are positives, in the form of RecBole's ``rec.topk``.

    Args:
        best: ``[R, k]`` item ids, the best first.
        row: ``[P]`` row of each positive.
        item: ``[P]`` its item; a pair that comes twice counts once.
        n_items: number of items.

    Returns:
        ``int64`` ``[R, k + 1]``: 1 where a positive stands, and in the last column the row's number of positives.
    """
    pairs = torch.unique(row.to(best.device) * n_items + item.to(best.device))  # sorted
    count = torch.bincount(torch.div(pairs, n_items, rounding_mode="floor"), minlength=len(best))
    asked = torch.arange(len(best), device=best.device)[:, None] * n_items + best
    if not len(pairs):
        return torch.cat([torch.zeros_like(best), count[:, None]], dim=1)
    at = torch.searchsorted(pairs, asked).clamp_(max=len(pairs) - 1)
    return torch.cat([(pairs[at] == asked).long(), count[:, None]], dim=1)


class BestCollector:
    """Stands in for a RecBole ``Collector`` through one evaluation."""

    def __init__(self, collector: Any) -> None:
        self._collector = collector
        self._k = max(collector.topk)
        self._items: list[Tensor] = []
        self._hits: list[Tensor] = []

    def eval_batch_collect(self, scores: Tensor, interaction: Any, positive_u: Tensor, positive_i: Tensor) -> None:
        """Take a batch's scores ``[R, n_items]`` and its positives, as RecBole's trainer gives them."""
        items = best_columns(scores, self._k)
        need = self._collector.register.need
        if need("rec.items"):
            self._items.append(items)
        if need("rec.topk"):
            self._hits.append(hits(items, positive_u, positive_i, scores.shape[1]))

    def model_collect(self, model: Any) -> None:
        """As RecBole's."""
        self._collector.model_collect(model)

    def get_data_struct(self) -> Any:
        """Everything that the metrics read, the batches put together once.

        RecBole's own method calls ``.cpu()`` on the number of items too, so that its ItemCoverage, GiniIndex,
        AveragePopularity and TailPercentage end in an ``AttributeError``.
        """
        stock = self._collector.data_struct
        struct = type(stock)()
        for name, value in stock._data_dict.items():
            struct.set(name, value)
        for name, batches in (("rec.items", self._items), ("rec.topk", self._hits)):
            if batches:
                struct.set(name, torch.cat(batches).cpu())
        return struct
