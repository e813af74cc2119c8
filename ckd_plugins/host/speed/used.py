"""Which items each user has had, as arrays; the Python sets that RecBole keeps for all are made for who is asked for.

The order of a set's elements is part of what RecBole's evaluation loader yields. It follows from how the set came
about, so that sets are built here in the steps in which RecBole builds them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ByUser", "UsedItems", "no_used_ids", "used_ids"]


class ByUser:
    """Items of each user in one array.

    Args:
        user: ``[N]`` user of each row.
        item: ``[N]`` its item.
        user_num: how many users there are.
    """

    def __init__(self, user: NDArray[np.int64], item: NDArray[np.int64], user_num: int) -> None:
        self.counts = np.bincount(user, minlength=user_num)
        self._stop = np.cumsum(self.counts)
        self._items = item[np.argsort(user, kind="stable")]

    def __getitem__(self, user: int) -> list[int]:
        stop = self._stop[user]
        items: list[int] = self._items[stop - self.counts[user] : stop].tolist()
        return items

    def keys(self, item_num: int) -> NDArray[np.int64]:
        """``[N]`` user and item of each row in one number."""
        users: NDArray[np.int64] = np.repeat(np.arange(len(self.counts)), self.counts) * item_num
        return users + self._items


class UsedItems:
    """RecBole's ``used_ids`` of one phase: the set of a user's items in it and in the phases before it."""

    def __init__(self, phases: list[ByUser]) -> None:
        self._phases = phases
        self._all: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self._phases[0].counts)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"user {index} of {len(self)}")
            return self._set(int(index) % len(self))
        if self._all is None:  # many users at a time: RecBole's own sampler, batch after batch
            self._all = np.empty(len(self), dtype=object)
            self._all[:] = [self._set(user) for user in range(len(self))]
        return self._all[index]

    def keys(self, item_num: int) -> NDArray[np.int64]:
        """User and item of each row in one number, sorted."""
        return np.sort(np.concatenate([phase.keys(item_num) for phase in self._phases]))

    def _set(self, user: int) -> set[int]:
        items: set[int] = set()
        for phase in self._phases:
            items = set(items)
            items.update(phase[user])
        return items


def used_ids(self: Any) -> dict[str, UsedItems]:
    """``Sampler.get_used_ids``."""
    phases: list[ByUser] = []
    used: dict[str, UsedItems] = {}
    for name, dataset in zip(self.phases, self.datasets, strict=True):
        user, item = (dataset.inter_feat[field].numpy() for field in (self.uid_field, self.iid_field))
        phases = [*phases, ByUser(user, item, self.user_num)]
        used[name] = UsedItems(phases)
    rows = sum(phase.counts for phase in phases)
    for user in np.flatnonzero(rows + 1 >= self.item_num):  # rows may repeat an item
        if len(used[self.phases[-1]][user]) + 1 == self.item_num:
            raise ValueError(
                "Some users have interacted with all items, which we can not sample negative items for them. "
                "Please set `user_inter_num_interval` to filter those users."
            )
    return used


def no_used_ids(self: Any) -> NDArray[Any]:
    """``RepeatableSampler.get_used_ids``: nothing is used by anybody, which one set says as well as one a user."""
    used = np.empty(self.user_num, dtype=object)
    used.fill(set())
    return used
