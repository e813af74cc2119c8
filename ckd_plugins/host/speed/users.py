"""Batches of users for a full ranking, from flat arrays instead of a tensor for each user."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["users_by_arrays"]

_KEPT = "ckd_lists"


@contextlib.contextmanager
def users_by_arrays(loader: Any) -> Iterator[None]:
    """For a while, let RecBole's full-sort loader of users make its batches from flat arrays; the same batches.

    The stock one makes three small tensors for each user of a batch. A loader of sequences is left alone.
    """
    if loader.is_sequential:
        yield
        return
    features = loader.user_df.interaction
    history, positive = _lists_of(loader)

    def collate(index: Any) -> Any:
        rows = torch.as_tensor(index)
        known = type(loader.user_df)({name: column.index_select(0, rows) for name, column in features.items()})
        return known, history.take(rows), *positive.take(rows)

    stock = loader.collate_fn
    loader.collate_fn = collate
    try:
        yield
    finally:
        loader.collate_fn = stock


def _lists_of(loader: Any) -> tuple[_Lists, _Lists]:
    """The histories and the positives of a loader's users, put together at its first ranking and kept with it.

    They never change, and for 50,000 users they take a quarter of a ranking's time.
    """
    if _KEPT not in vars(loader):
        users = loader.uid_list.numpy()
        lists = _Lists(loader.uid2history_item[users]), _Lists(loader.uid2positive_item[users])
        vars(loader)[_KEPT] = lists
    kept: tuple[_Lists, _Lists] = vars(loader)[_KEPT]
    return kept


class _Lists:
    """Lists of item ids as one tensor and where each begins."""

    def __init__(self, lists: Any) -> None:
        self._items = torch.cat(list(lists))
        self._length = torch.tensor([len(one) for one in lists])
        self._start = self._length.cumsum(0) - self._length

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The lists of rows ``[R]`` one after the other: each item's position among the rows, and the item."""
        length = self._length[rows]
        row = torch.repeat_interleave(torch.arange(len(rows)), length)
        before = length.cumsum(0) - length
        at = torch.arange(len(row)) - before[row] + self._start[rows][row]
        return row, self._items[at]
