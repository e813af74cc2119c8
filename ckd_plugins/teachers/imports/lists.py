"""Lists of best items of users or histories, gathered from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import DataError
from ckd_plugins.teachers.imports.block import Block
from ckd_plugins.teachers.imports.matching import Coverage, Places
from ckd_plugins.teachers.imports.tokens import bounds
from ckd_plugins.teachers.imports.vectors import Duplicates, fresh_rows
from ckd_plugins.teachers.user_lists import UserLists

__all__ = ["RANKS", "GatheredLists", "Ranks", "gather_lists"]

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

Ranks = Literal["log", "linear", "reciprocal"]
"""What stands for the score of place ``r``, from 1, where a file has no scores."""

RANKS: dict[Ranks, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    "log": lambda place: -np.log(place),
    "linear": lambda place: -place,
    "reciprocal": lambda place: 1.0 / place,
}


@dataclass(frozen=True)
class GatheredLists:
    """A list for each of those that a domain can ask for and the file has."""

    kind: str
    places: Places
    lists: UserLists
    """By place; empty where the file has none. Best first."""
    rows: Coverage
    items: Coverage


@dataclass(frozen=True)
class _Entries:
    """Single listed items, in the order of the file."""

    place: Int64
    item: Int64
    score: Float32
    row: Int64
    """Number of its row in the file."""

    def take(self, at: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> _Entries:
        return _Entries(self.place[at], self.item[at], self.score[at], self.row[at])


def gather_lists(
    blocks: Iterator[Block],
    domain: Domain,
    max_length: int,
    duplicates: Duplicates,
    ranks: Ranks,
    *,
    lower_is_better: bool = False,
) -> GatheredLists:
    """Read a file's lists and keep those that the domain can ask for.

    Items that the domain has not keep their ranks and are left out.

    Args:
        blocks: of :meth:`Source.lists`.
        domain: who asks.
        max_length: newest items of a history that tell it from others.
        duplicates: what to do with a second list of one key, and with an item that stands on a list twice.
        ranks: scores by rank, for a file without scores; its order is then best first.
        lower_is_better: the file's scores are distances.

    Raises:
        DataError: the file has none of the domain's keys or items, or something stands there twice.
    """
    index = {token: i for i, token in enumerate(domain.items)}
    parts: list[_Entries] = []
    strangers: dict[str, None] = {}
    places: Places | None = None
    kind, scored, file = "", False, ""
    for block in blocks:
        if places is None:
            kind, file = block.key("user", "history"), block.file
            places = Places.of(kind, domain, max_length)
            rows, taken = Coverage(block.file, kind, len(places)), np.zeros(len(places), bool)
        at = places.find(kind, block.tokens[kind])
        rows.count(block, at)
        wide = block.key("item", "items") == "items"
        kept = fresh_rows(block, at, taken, duplicates) if wide else np.flatnonzero(at >= 0)
        if wide:
            taken[at[kept]] = True
        listed = block.tokens["items" if wide else "item"]
        numbers = block.numbers.get("scores" if wide else "score")
        scored = numbers is not None
        if numbers is not None and (odd := np.flatnonzero(numbers.lengths != listed.lengths)).size:
            row = int(odd[0])
            raise DataError(
                f"{block.file}: {block.row(row)} has {listed.lengths[row]} items and {numbers.lengths[row]} scores; "
                f"give each item one"
            )
        item = listed.numbered(index)
        strangers |= dict.fromkeys(listed.vocabulary[c] for c in np.unique(listed.codes[item < 0]))
        row = np.repeat(np.arange(len(at)), listed.lengths)
        score = np.zeros(len(item), np.float32) if numbers is None else numbers.flat
        wanted = np.isin(row, kept)
        parts.append(_Entries(at[row], item, score, row + block.first).take(wanted))
    if places is None:
        raise DataError("the file of lists has no rows; write a list for each user or history")
    entries = _Entries(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("place", "item", "score", "row")))
    known_items = len(np.unique(entries.item[entries.item >= 0]))
    rows.known = len(np.unique(entries.place))
    rows.check(domain, places)
    items = Coverage(file, "item", domain.n_items, known_items, known_items + len(strangers), len(strangers))
    items.first_unmatched = items.examples = [repr(t) for t in list(strangers)[:3]]
    items.check(domain, Places.of("item", domain, max_length))
    entries = _distinct(entries, file, domain, duplicates)
    if lower_is_better:
        entries = _Entries(entries.place, entries.item, -entries.score, entries.row)
    return GatheredLists(kind, places, _ranked(entries, len(places), None if scored else ranks), rows, items)


def _distinct(entries: _Entries, file: str, domain: Domain, duplicates: Duplicates) -> _Entries:
    """Entries without second ones of an item on a list."""
    known = np.flatnonzero(entries.item >= 0)
    pair = entries.place[known] * domain.n_items + entries.item[known]
    first = known[np.unique(pair, return_index=True)[1]]
    if len(first) == len(known):
        return entries
    again = np.setdiff1d(known, first)
    if duplicates == "refuse":
        at = int(again[0])
        raise DataError(
            f"{file}: row {entries.row[at]} lists item {domain.items[entries.item[at]]!r} a second time for one user "
            f"or history; keep one entry, or set duplicates: first"
        )
    return entries.take(np.delete(np.arange(len(entries.item)), again))


def _ranked(entries: _Entries, n_places: int, ranks: Ranks | None) -> UserLists:
    """Lists with the best first; the rank of an item counts those that the domain has not."""
    order = np.argsort(entries.place, kind="stable") if ranks else np.lexsort((-entries.score, entries.place))
    entries = entries.take(order)
    score = entries.score
    if ranks:
        offsets = bounds(np.bincount(entries.place, minlength=n_places))
        rank = np.arange(len(score)) - offsets[entries.place] + 1
        score = RANKS[ranks](rank.astype(np.float64)).astype(np.float32)
    known = entries.item >= 0
    lengths = np.bincount(entries.place[known], minlength=n_places)
    return UserLists(bounds(lengths), entries.item[known].astype(np.int32), score[known])
