"""Ranking the whole catalogue with a model that scores one (row, item) pair at a time, within a bound of memory.

RecBole's ``Trainer._full_sort_batch_eval`` repeats a whole evaluation batch for each item before it predicts anything:
4,096 rows of DIN, each with its histories, times the catalogue. And its loader takes ``eval_batch_size // n_items``
users a batch, one for a catalogue of 4,096 items or more, so that most of the time goes into making batches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from ckd_plugins.host.speed.lists import ItemLists
from ckd_plugins.host.speed.sides import Sides

__all__ = ["full_sort_is_own", "pairs_within_memory", "rank_by_pairs", "rows_within_memory"]

_SCORES = 1 << 20
"""Most scores at a time, 4 MiB; RecBole's metrics make a few tables of the same size."""
_VALUES = {"cpu": 1 << 17}
"""Most values that a chunk's columns hold. A model makes some hundred numbers of each: DIN embeds every item of every
history for every pair. On a processor larger chunks are slower, too: they leave its caches."""
_VALUES_ELSEWHERE = 1 << 23
_ROWS = 4
"""Fewer rows than this share nothing: tables of the whole catalogue are made for them, and a catalogue of which so few
rows fit a batch is large."""
_TRIED = 64
"""Pairs, from all over the ranking, on which a faster way must agree with the model's own."""


def full_sort_is_own(model: Any) -> bool:
    """Whether the class has a ``full_sort_predict`` of its own; RecBole falls back to ``predict`` otherwise."""
    for cls in type(model).__mro__:
        if "full_sort_predict" in vars(cls):
            return cls.__name__ != "AbstractRecommender"
    return False


def pairs_within_memory(rows: Any, items: Any, limit: int) -> int:
    """How many pairs are predicted at a time: ``eval_batch_size``, and fewer of wide rows, with histories or lists.

    Args:
        rows: ``Interaction`` of rows.
        items: ``Interaction`` of items.
        limit: RecBole's ``eval_batch_size``.
    """
    columns = {**rows.interaction, **items.interaction}
    width: int = sum(column[0].numel() for column in columns.values())
    device = next(iter(items.interaction.values())).device.type
    return max(1, min(limit, _VALUES.get(device, _VALUES_ELSEWHERE) // width))


def rank_by_pairs(model: Any, rows: Any, items: Any, pairs: int, *, share: bool = True) -> Tensor:
    """Score every item for every row.

    The pairs are numbered row by row and cut into chunks of one size, which take several rows where the catalogue is
    small and a part of the catalogue where it is large. Only a chunk's columns ever exist.

    Args:
        model: its ``predict`` makes scores of an ``Interaction`` of pairs.
        rows: ``Interaction`` of ``R`` rows: users, their features and histories.
        items: ``Interaction`` of ``I`` items with their features; its columns replace those of ``rows``.
        pairs: most pairs in one call.
        share: whether what a model makes of a row or an item alone is made once of each, where it allows that.

    Returns:
        ``[R, I]`` scores on the device of the predictions, in their precision.
    """
    total = len(rows) * len(items)
    scores: Tensor | None = None
    device = next(iter(items.interaction.values())).device
    shared = _shared(model, rows, items, pairs) if share and len(rows) >= _ROWS else lambda *_: contextlib.nullcontext()
    for start in range(0, total, pairs):
        batch, row, item = _paired(rows, items, torch.arange(start, min(start + pairs, total), device=device))
        with shared(batch, row, item):
            found = model.predict(batch).reshape(-1)  # a single pair comes back without a dimension
        if scores is None:
            scores = found.new_empty(total)
        scores[start : start + len(found)] = found
    assert scores is not None, "a loader gives no empty batches"
    return scores.view(len(rows), len(items))


def _paired(rows: Any, items: Any, pair: Tensor) -> tuple[Any, Tensor, Tensor]:
    """Some of the pairs, numbered row by row, as an ``Interaction``, with the places of their rows and items."""
    row = torch.div(pair, len(items), rounding_mode="floor")
    item = pair - row * len(items)
    columns = {k: v.index_select(0, row) for k, v in rows.interaction.items() if k not in items}
    columns.update({k: v.index_select(0, item) for k, v in items.interaction.items()})
    return type(rows)(columns), row, item


def _shared(model: Any, rows: Any, items: Any, pairs: int) -> Callable[..., AbstractContextManager[None]]:
    """How a model shares among pairs what it makes of a row or an item, as far as it gives the same scores."""
    sides = Sides(model, rows, items, pairs)
    if sides.found:
        last = len(rows) * len(items) - 1
        batch, row, item = _paired(rows, items, torch.linspace(0, last, min(last + 1, _TRIED)).long().to(model.device))
        stock = model.predict(batch)
        with contextlib.suppress(Exception), sides.of(row, item):  # a stranger's model may do anything with its fields
            if torch.allclose(model.predict(batch), stock, rtol=1e-4, atol=1e-6) and sides.used:
                return lambda batch, row, item: sides.of(row, item)
    lists = ItemLists(model, items, pairs)
    return lambda batch, row, item: lists.of(batch, item)


@contextlib.contextmanager
def rows_within_memory(loader: Any, values: int | None = None, most: int | None = None) -> Iterator[None]:
    """Let a full-sort loader give as many rows a batch as may take memory, for a while.

    Which rows share a batch changes no metric: they are computed of all rows at the end.

    Args:
        loader: RecBole's ``FullSortEvalDataLoader``.
        values: size of the largest thing that is made of a row; by default its scores of all items.
        most: most rows whatever their size.
    """
    sampler = loader.batch_sampler
    before = sampler.batch_size
    rows = max(1, _SCORES // (values or loader._dataset.item_num))
    sampler.batch_size = rows if most is None else min(rows, most)
    try:
        yield
    finally:
        sampler.batch_size = before
