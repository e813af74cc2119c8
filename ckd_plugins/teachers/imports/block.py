"""What every format is read into: blocks of rows with columns of known names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ckd_plugins.errors import DataError
from ckd_plugins.teachers.imports.tokens import Numbers, Tokens

__all__ = ["BLOCK_ROWS", "LISTS", "NUMBERS", "TOKENS", "Block", "canonical"]

BLOCK_ROWS = 1 << 14
"""Rows that are in memory at once: 256 MB of vectors of 4096 numbers."""

TOKENS = ("item", "user", "history", "items")
"""Columns of tokens; those of ``LISTS`` hold several a row."""
NUMBERS = ("vector", "score", "scores")
LISTS = ("history", "items", "vector", "scores")


def canonical(name: str) -> str:
    """Return what a column is called here: ``user_id:token`` of an atomic file is ``user``."""
    return name.split(":", 1)[0].strip().lower().removesuffix("_id")


@dataclass(frozen=True)
class Block:
    """Some rows of a file, in its order.

    Raises:
        DataError: columns differ in length, or a number is NaN or infinite; the row is named.
    """

    file: str
    """Its name, for messages."""
    first: int
    """Number of the first row, from 0."""
    tokens: Mapping[str, Tokens]
    numbers: Mapping[str, Numbers]

    def __post_init__(self) -> None:
        sizes = {name: len(column) for name, column in (*self.tokens.items(), *self.numbers.items())}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise DataError(f"{self.file}: its columns differ in rows ({told}); write one entry a row in each")
        for name, column in self.numbers.items():
            wrong = np.flatnonzero(~np.isfinite(column.flat))
            if len(wrong):
                row = int(np.searchsorted(column.offsets, wrong[0], side="right")) - 1
                value = column.flat[wrong[0]]
                raise DataError(f"{self.file}: {name} of {self.row(row)} holds {value}; leave such rows out or mend them")

    def __len__(self) -> int:
        return len(next(iter((*self.tokens.values(), *self.numbers.values()))))

    def row(self, row: int) -> str:
        """One row for a message: its key and its number in the file."""
        key = next((k for k in ("user", "history", "item") if k in self.tokens), None)
        number = f"row {self.first + row}"
        return f"{key} {self.tokens[key].name(row)} ({number})" if key else number

    def key(self, *allowed: str) -> str:
        """Return which of the allowed columns says whose the rows are.

        Raises:
            DataError: none does, or more than one.
        """
        found = [name for name in allowed if name in self.tokens]
        if len(found) != 1:
            what = " and ".join(map(repr, found)) or "none"
            raise DataError(
                f"{self.file}: its rows must be named by one column of {', '.join(map(repr, allowed))}, found {what} "
                f"(it has {', '.join((*self.tokens, *self.numbers)) or 'no known column'}); rename a column, or for a "
                f"file of numbers alone give the tokens in item_ids or row_ids"
            )
        return found[0]
