"""RecBole's three ways to split, by whole arrays: the same rows in the same order in each part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ckd_plugins.host.speed.histories import take_rows

__all__ = ["leave_one_out", "split_by_ratio", "time_based_split"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class _Groups:
    """Rows by group; groups in the order of their first rows, rows of a group in theirs."""

    order: Rows
    """``[N]`` row numbers."""
    size: Rows
    """``[G]`` rows of each group."""

    @classmethod
    def by(cls, keys: NDArray[Any]) -> _Groups:
        codes, _ = pd.factorize(keys)
        return cls(np.argsort(codes, kind="stable"), np.bincount(codes))

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """``[N]`` a group's value for each of its rows."""
        return np.repeat(values, self.size)

    @property
    def place(self) -> Rows:
        """``[N]`` each row's place within its group."""
        before: Rows = self.spread(np.cumsum(self.size) - self.size)
        return np.arange(len(self.order)) - before

    def parts(self, part: NDArray[Any], number: int) -> list[Rows]:
        """The rows of each part, given ``[N]`` which part a row (in :attr:`order`) belongs to."""
        return [self.order[part == i] for i in range(number)]


def leave_one_out(self: Any, group_by: str | None, leave_one_mode: str) -> list[Any]:
    """``Dataset.leave_one_out``: a user's last rows go to validation and test, if one is left for training."""
    if group_by is None:
        raise ValueError("leave one out strategy require a group field")
    if leave_one_mode not in ("valid_and_test", "valid_only", "test_only"):
        raise NotImplementedError(f"The leave_one_mode [{leave_one_mode}] has not been implemented.")
    left_out = 2 if leave_one_mode == "valid_and_test" else 1
    groups = _Groups.by(self.inter_feat[group_by].numpy())
    from_end = groups.spread(groups.size) - groups.place - 1
    out = from_end < np.minimum(left_out, groups.spread(groups.size) - 1)
    parts = groups.parts(np.where(out, left_out - from_end, 0), left_out + 1)
    if leave_one_mode != "valid_and_test":
        parts.insert(2 if leave_one_mode == "valid_only" else 1, np.empty(0, np.int64))
    return _copies(self, parts)


def split_by_ratio(self: Any, ratios: Sequence[float], group_by: str | None = None) -> list[Any]:
    """``Dataset.split_by_ratio``: of all rows, or of each user's, the first go to training, the next to validation."""
    total = sum(ratios)
    ratios = [ratio / total for ratio in ratios]
    if group_by is None:
        ends = [*self._calcu_split_ids(tot=len(self), ratios=ratios), len(self)]
        starts = [0, *ends[:-1]]
        return _copies(self, [np.arange(start, end) for start, end in zip(starts, ends, strict=True)])
    groups = _Groups.by(self.inter_feat[group_by].numpy())
    sizes, which = np.unique(groups.size, return_inverse=True)
    bounds = np.array([self._calcu_split_ids(tot=int(size), ratios=ratios) for size in sizes])
    place, part = groups.place, np.zeros(len(groups.order), np.int64)
    for end in bounds.reshape(len(sizes), len(ratios) - 1).T:
        part += place >= groups.spread(end[which])
    return _copies(self, groups.parts(part, len(ratios)))


def time_based_split(self: Any, ratios: Sequence[float], group_by: str | None) -> list[Any]:
    """``Dataset.time_based_split``: what comes after a point in time is for testing; before it, each user's by ratio.

    RecBole counts how many of a user's rows lie before that point and takes as many from the front, in whatever order
    they stand; so does this.
    """
    if group_by is None:
        raise ValueError("Time-based split strategy requires a group field")
    if self.time_field not in self.inter_feat:
        raise ValueError(f"Field [{self.time_field}] is not in inter_feat.")
    total = sum(ratios)
    ratios = [ratio / total for ratio in ratios]
    times = self.inter_feat[self.time_field].numpy()
    before = times <= np.percentile(times, 100 * (1 - ratios[-1]))
    groups = _Groups.by(self.inter_feat[group_by].numpy())
    first = np.cumsum(groups.size) - groups.size
    known = np.add.reduceat(before[groups.order].astype(np.int64), first)
    trained = (known * (ratios[0] / (1 - ratios[2]))).astype(np.int64)
    place = groups.place
    part = (place >= groups.spread(trained)).astype(np.int64) + (place >= groups.spread(known))
    return _copies(self, groups.parts(part, 3))


def _copies(dataset: Any, parts: list[Rows]) -> list[Any]:
    dataset._drop_unused_col()
    taken = [take_rows(dataset.inter_feat, rows) for rows in parts]
    return [dataset.copy(features) for features in taken]
