"""K-core filtering by counting numbers, where RecBole counts strings in Python's ``Counter``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ckd_plugins.host.compat import prepare

prepare()
from recbole.data.dataset import Dataset  # noqa: E402

__all__ = ["filter_by_inter_num", "filter_inter_by_user_or_item"]

_stock = Dataset._filter_inter_by_user_or_item


def filter_inter_by_user_or_item(self: Any) -> None:
    """``Dataset._filter_inter_by_user_or_item``, which copies all interactions even where there is nothing to drop."""
    if self.user_feat is not None or self.item_feat is not None:
        _stock(self)


def filter_by_inter_num(self: Any) -> None:
    """``Dataset._filter_by_inter_num``: the same rows of interactions, users and items are dropped.

    Users and items with too few or too many interactions go, which leaves others with too few, and so on. Rows of
    ``user_feat`` and ``item_feat`` go with their ids, or where they have fewer interactions than the first interval's
    lower end.
    """
    if self.uid_field is None or self.iid_field is None:
        return
    sides = [
        _Side(self, field, feat, intervals)
        for field, feat, intervals in (
            (self.uid_field, self.user_feat, self._parse_intervals_str(self.config["user_inter_num_interval"])),
            (self.iid_field, self.item_feat, self._parse_intervals_str(self.config["item_inter_num_interval"])),
        )
        if intervals is not None and not _lets_all_pass(self, feat, intervals)
    ]
    features = self.inter_feat
    kept = np.ones(len(features), dtype=bool)
    while sides:
        banned = [side.ban(kept) for side in sides]
        if not any(found for found, _ in banned):
            break
        for side, (_, ids) in zip(sides, banned, strict=True):
            kept &= ~ids[side.codes]
    for side in sides:
        side.drop()
    if not kept.all():
        features.drop(features.index[~kept], inplace=True)


def _lets_all_pass(dataset: Any, feat: Any, intervals: list[Any]) -> bool:
    """Whether no id can be out, as with RecBole's default ``[0,inf)``."""
    whole = len(intervals) == 1 and all(dataset._within_intervals(count, intervals) for count in (1, 1 << 62))
    return whole and (feat is None or intervals[0][1] <= 0)


class _Side:
    """The users or the items: how many interactions each has, and which of them are out."""

    def __init__(self, dataset: Any, field: str, feat: Any, intervals: list[Any]) -> None:
        self._intervals, self._feat = intervals, feat
        self._within = dataset._within_intervals
        self.codes, ids = pd.factorize(dataset.inter_feat[field])
        self._number = len(ids)
        self._seen = np.ones(self._number, dtype=bool)
        if feat is not None:
            self._feat_codes = pd.Index(ids).get_indexer(feat[field])
            self._feat_kept = np.ones(len(feat), dtype=bool)
            self._least = intervals[0][1] if intervals else -1

    def ban(self, kept: NDArray[np.bool_]) -> tuple[bool, NDArray[np.bool_]]:
        """Whether anything is out, and ``[n]`` which ids are, given which interactions are left."""
        counts = np.bincount(self.codes[kept], minlength=self._number)
        self._seen &= counts > 0
        banned = self._seen & ~np.asarray(self._within(counts, self._intervals), dtype=bool)
        found = bool(banned.any())
        if self._feat is not None:
            codes = self._feat_codes
            low = self._feat_kept & (np.where(codes >= 0, counts[codes], 0) < self._least)
            banned[codes[low & (codes >= 0)]] = True
            self._feat_kept &= ~(low | ((codes >= 0) & banned[codes]))
            found = found or bool(low.any())
        return found, banned

    def drop(self) -> None:
        """Drop the rows of features that are out."""
        if self._feat is not None:
            self._feat.drop(self._feat.index[~self._feat_kept], inplace=True)
