"""From all interactions to those that are kept, with what each step drops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.core import k_core
from ckd_plugins.domains.importers.columns import Columns
from ckd_plugins.errors import ConfigError, DataError

__all__ = ["Filters", "Step", "apply_filters", "from_start"]

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Filters:
    """What to keep. Steps run in the order of the fields."""

    min_rating: float | None = None
    """Drop interactions with a lower rating."""
    repeats: Literal["all", "first", "last"] = "all"
    """What to keep where a user has an item at several times. The same user, item and time twice is one interaction."""
    need_text: bool = False
    """Drop items without any text."""
    k_core: int | None = None
    """Keep users and items with so many interactions. ``None``: 5, and 0 for files that their authors have filtered."""
    max_history: int | None = None
    """Keep each user's last interaction and so many before it."""

    def __post_init__(self) -> None:
        if self.k_core is not None and self.k_core < 0:
            raise ConfigError(f"k_core is {self.k_core}; give 0 or more")
        if self.max_history is not None and self.max_history < 1:
            raise ConfigError(f"max_history is {self.max_history}; give 1 or more")


@dataclass(frozen=True)
class Step:
    """What one step dropped and left."""

    name: str
    dropped: int
    """Interactions."""
    users: int
    items: int
    interactions: int


def apply_filters(columns: Columns, filters: Filters, has_text: Bool | None) -> tuple[Int64, list[Step]]:
    """Return the rows that are kept, by user (in order of first appearance) and time, and the steps that led there.

    Rows of equal time keep the order of the file.

    Args:
        columns: all interactions.
        filters: with a number for ``k_core``.
        has_text: which items have a text; needed for ``need_text``.

    Raises:
        DataError: nothing is left, or there are no ratings to filter by.
    """
    user, item, time = columns.user, columns.item, columns.time
    rows = np.lexsort((time, user))
    steps = [_step("read", columns, rows, len(rows))]

    def drop(name: str, keep: Bool) -> None:
        nonlocal rows
        before, rows = len(rows), rows[keep]
        steps.append(_step(name, columns, rows, before))
        if not len(rows):
            raise DataError(f"nothing is left after '{name}', of {before:,} interactions before; loosen the filters")

    if filters.min_rating is not None:
        if np.isnan(columns.rating).all():
            raise DataError("the format has no ratings, so that min_rating has nothing to go by; leave it out")
        drop(f"rating below {filters.min_rating:g}, or none", columns.rating[rows] >= filters.min_rating)
    drop("same user, item and time again", _first_of(user[rows], item[rows], time[rows]))
    if filters.repeats == "first":
        drop("item again", _first_of(user[rows], item[rows]))
    elif filters.repeats == "last":
        drop("item again later", _first_of(user[rows][::-1], item[rows][::-1])[::-1])
    if filters.need_text and has_text is not None:
        drop("item without a text", has_text[item[rows]])
    if filters.k_core:
        drop(f"not in the {filters.k_core}-core", k_core(user[rows], item[rows], filters.k_core))
    if filters.max_history is not None:
        drop(
            f"before a user's last {filters.max_history + 1}", from_start(user[rows][::-1])[::-1] <= filters.max_history
        )
    return rows, steps


def _step(name: str, columns: Columns, rows: Int64, before: int) -> Step:
    users, items = (len(np.unique(values[rows])) for values in (columns.user, columns.item))
    return Step(name, before - len(rows), users, items, len(rows))


def _first_of(*keys: npt.NDArray[Any]) -> Bool:
    """Which rows are the first with their keys."""
    order = np.lexsort(keys)  # stable: among equal rows the first comes first
    first = np.zeros(len(order), dtype=bool)
    first[:1] = True
    for key in keys:
        first[1:] |= key[order][1:] != key[order][:-1]
    out = np.empty(len(order), dtype=bool)
    out[order] = first
    return out


def from_start(user: npt.NDArray[np.int32]) -> Int64:
    """Return how many rows of the same user come before each; a user's rows stand together."""
    starts = np.append(0, np.flatnonzero(user[1:] != user[:-1]) + 1)
    before: Int64 = np.arange(len(user)) - np.repeat(starts, np.diff(starts, append=len(user)))
    return before
