"""Vectors of items, users or histories, gathered from a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import DataError
from ckd_plugins.teachers.imports.block import Block
from ckd_plugins.teachers.imports.matching import Coverage, Places

__all__ = ["Duplicates", "Gathered", "fresh_rows", "gather_vectors"]

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

Duplicates = Literal["refuse", "first"]
"""What a second entry for one key is: an error, or left out."""


@dataclass(frozen=True)
class Gathered:
    """A vector for each of those that a domain can ask for and the file has."""

    kind: str
    places: Places
    table: Float32
    """``[places, d]``; zeros where the file has none."""
    known: npt.NDArray[np.bool_]
    """``[places]``."""
    coverage: Coverage


def gather_vectors(
    blocks: Iterator[Block], kinds: tuple[str, ...], domain: Domain, max_length: int, duplicates: Duplicates
) -> Gathered:
    """Read a file's vectors and keep those that the domain can ask for.

    Args:
        blocks: of :meth:`Source.vectors`.
        kinds: what its rows may be; the file decides.
        domain: who asks.
        max_length: newest items of a history that tell it from others.
        duplicates: what to do with a second vector of one key.

    Raises:
        DataError: vectors differ in length, a key has two, or the file has none of the domain's keys.
    """
    found: Gathered | None = None
    for block in blocks:
        kind = block.key(*kinds)
        vectors = block.numbers.get("vector")
        if vectors is None:
            raise DataError(f"{block.file} has no column 'vector'; rename the one that holds the vectors")
        size = int(vectors.lengths[0]) if found is None else found.table.shape[1]
        if (odd := np.flatnonzero(vectors.lengths != size)).size or not size:
            row = int(odd[0]) if odd.size else 0
            raise DataError(
                f"{block.file}: the vector of {block.row(row)} has {vectors.lengths[row]} numbers, others have {size}; "
                f"give all the same number of them, at least one"
            )
        if found is None:
            places = Places.of(kind, domain, max_length)
            table, known = np.zeros((len(places), size), np.float32), np.zeros(len(places), bool)
            found = Gathered(kind, places, table, known, Coverage(block.file, kind, len(places)))
        at = found.places.find(kind, block.tokens[kind])
        found.coverage.count(block, at)
        rows = fresh_rows(block, at, found.known, duplicates)
        found.table[at[rows]] = vectors.flat.reshape(-1, size)[rows]
        found.known[at[rows]] = True
    if found is None:
        raise DataError("the file of vectors has no rows; write one row for each item, user or history")
    found.coverage.known = int(found.known.sum())
    found.coverage.check(domain, found.places)
    return found


def fresh_rows(block: Block, at: Int64, known: npt.NDArray[np.bool_], duplicates: Duplicates) -> Int64:
    """Return a block's rows that are somebody's first.

    Args:
        block: the rows.
        at: ``[R]`` their places, -1 for none.
        known: ``[places]`` which places are filled.
        duplicates: whether others are an error.

    Raises:
        DataError: there are others, and they are an error.
    """
    rows = np.flatnonzero(at >= 0)
    first = np.zeros(len(at), bool)
    first[rows[np.unique(at[rows], return_index=True)[1]]] = True
    first[rows] &= ~known[at[rows]]
    again = rows[~first[rows]]
    if len(again) and duplicates == "refuse":
        raise DataError(
            f"{block.file}: {block.row(int(again[0]))} is not the first of its name; keep one entry for each, or set "
            f"duplicates: first"
        )
    return np.flatnonzero(first)
