"""A train loader's work by whole arrays where RecBole loops in Python: the same rows, the same negatives.

RecBole turns an index array into a Python list before it takes rows, which costs 35 times the taking, and looks every
sampled negative up in a Python set. Together that is the most part of an epoch of BPR or of a fast LightGCN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ckd_plugins.host.compat import prepare
from ckd_plugins.host.speed.used import UsedItems

prepare()
from recbole.data.interaction import Interaction  # noqa: E402
from recbole.sampler import Sampler  # noqa: E402

__all__ = ["accelerate", "row_numbers"]


class _Rows(Interaction):  # type: ignore[misc]
    """An ``Interaction`` that takes rows by ``index_select``."""

    def __getitem__(self, index: Any) -> Any:
        rows = row_numbers(index, len(self))
        if rows is None:
            return super().__getitem__(index)
        return _Taken({name: values.index_select(0, rows) for name, values in self.interaction.items()})


class _Taken(Interaction):  # type: ignore[misc]
    """Rows that were just taken. They are copies already, so that to repeat them once needs no other."""

    def repeat(self, sizes: int) -> Any:
        return Interaction(dict(self.interaction)) if sizes == 1 else super().repeat(sizes)


def row_numbers(index: Any, length: int) -> torch.Tensor | None:
    """``[B]`` which of so many rows an index of an ``Interaction`` stands for; ``None`` unless it is a list of numbers.

    A mask, a slice or a single number is left to its reader.
    """
    if isinstance(index, np.ndarray) and index.dtype != bool:
        index = torch.from_numpy(index)
    elif isinstance(index, list) and index and type(index[0]) is int:
        index = torch.tensor(index)
    if not isinstance(index, torch.Tensor) or index.dtype != torch.long or index.dim() != 1:
        return None
    return torch.where(index < 0, index + length, index)  # as lists count from the end


_TABLE = 1 << 26
"""Most (user, item) pairs that are looked up in a table of bytes."""


class _Used:
    """Which (user, item) pairs are not to be sampled: a table of all pairs where that is small, else a sorted array."""

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler
        self._pairs = self._sorted(sampler)
        size = len(sampler.used_ids) * sampler.item_num
        self._table: NDArray[np.bool_] | None = None
        if size <= _TABLE:
            self._table = np.zeros(size, dtype=bool)
            self._table[self._pairs] = True

    @staticmethod
    def _sorted(sampler: Any) -> NDArray[np.int64]:
        if isinstance(sampler.used_ids, UsedItems):
            keys: NDArray[np.int64] = sampler.used_ids.keys(sampler.item_num)
            return keys
        counts = [len(items) for items in sampler.used_ids]
        items = np.fromiter((item for used in sampler.used_ids for item in used), np.int64, sum(counts))
        return np.sort(np.repeat(np.arange(len(counts)), counts) * sampler.item_num + items)

    def sample_by_key_ids(self, key_ids: Any, num: int) -> torch.Tensor:
        """As RecBole's sampler: every number is drawn in the same order, so that the same seed gives the same items."""
        users = np.tile(np.asarray(key_ids, dtype=np.int64), num)
        if len(users) and (users.min() < 0 or users.max() >= len(self._sampler.used_ids)):
            raise IndexError  # which RecBole's sampler turns into words
        sampled = np.zeros(len(users), dtype=np.int64)
        open_ = np.arange(len(users))
        while len(open_):
            drawn = sampled[open_] = self._sampler.sampling(len(open_))
            open_ = open_[self._among(users[open_] * self._sampler.item_num + drawn)]
        return torch.from_numpy(sampled)

    def _among(self, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
        if self._table is not None:
            return self._table[pairs]
        if not len(self._pairs):
            return np.zeros(len(pairs), dtype=bool)
        at = np.searchsorted(self._pairs, pairs).clip(max=len(self._pairs) - 1)
        found: NDArray[np.bool_] = self._pairs[at] == pairs
        return found


def accelerate(loader: Any) -> None:
    """Let a train loader take rows and draw negatives by arrays; what it yields stays the same, bit for bit.

    Only RecBole's plain ``Sampler`` is taken over; the others (a knowledge graph's, repeatable ones) are left alone.
    """
    inner = getattr(loader, "general_dataloader", loader)
    dataset = inner._dataset
    for name in ("inter_feat", "user_feat", "item_feat"):  # the features of a batch's users and items are rows, too
        if type(getattr(dataset, name, None)) is Interaction:
            setattr(dataset, name, _Rows(getattr(dataset, name).interaction))
    sampler = getattr(inner, "_sampler", None)
    if sampler is not None and type(sampler) is Sampler and isinstance(sampler.used_ids, np.ndarray | UsedItems):
        vars(sampler)["sample_by_key_ids"] = _Used(sampler).sample_by_key_ids
