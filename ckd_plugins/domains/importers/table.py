"""CSV and Parquet files with named columns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal

from ckd_plugins.domains.importers.base import Importer, Interaction, Item
from ckd_plugins.domains.importers.log import ImportLog
from ckd_plugins.domains.importers.reading import require
from ckd_plugins.domains.importers.records import words
from ckd_plugins.domains.importers.rows import column_names, read_rows
from ckd_plugins.errors import DataError, did_you_mean

__all__ = ["Table"]


class Table(Importer):
    """Interactions, and items if there are any, in a ``.csv``, ``.tsv`` (packed or not) or ``.parquet`` file each.

    The first line of a CSV file names its columns. Parquet needs ``pip install 'ckd-plugins[parquet]'``.

    Args:
        path: the file of interactions.
        user: its column of users.
        item: the column of items, in both files.
        time: the column of times: numbers, or dates as ISO 8601 (UTC if they do not say). ``null`` takes the order of
            the file.
        time_unit: of times that are numbers.
        rating: the column of ratings.
        items: the file of items.
        title: its columns that make up an item's text. By default those of title, brand and categories that it has.
        brand: see ``title``.
        categories: see ``title``.
        separator: between the columns of a CSV file; a tab in ``.tsv`` and a comma otherwise by default.
    """

    def __init__(
        self,
        path: Path,
        *,
        user: str = "user_id",
        item: str = "item_id",
        time: str | None = "timestamp",
        time_unit: Literal["s", "ms"] = "s",
        rating: str | None = None,
        items: Path | None = None,
        title: str | None = None,
        brand: str | None = None,
        categories: str | None = None,
        separator: str | None = None,
    ) -> None:
        if separator is not None and len(separator) != 1:
            raise DataError(f"separator is {separator!r}; give one character")
        self.path = require(Path(path).expanduser(), "give a .csv, .tsv or .parquet file")
        self.item_file = require(Path(items).expanduser(), "items names the file of items") if items else None
        self.separator, self._item, self._numbered = separator, item, time is None
        self._units = 1000.0 if time_unit == "ms" else 1.0
        self._columns = _known(self.path, [c for c in (user, item, time, rating) if c is not None], separator)
        self._rated, self._timed = rating is not None, time is not None
        self._text: dict[str, str] = {}
        if self.item_file is not None:
            asked = {"title": title, "brand": brand, "categories": categories}
            has = column_names(self.item_file, separator)
            _known(self.item_file, [item, *(c for c in asked.values() if c)], separator)
            self._text = {part: c or part for part, c in asked.items() if (c or part) in has}

    def sources(self) -> list[Path]:
        """The file of interactions, and that of items if there is one."""
        return [self.path, *([self.item_file] if self.item_file else [])]

    def interactions(self, log: ImportLog) -> Iterator[Interaction]:
        """Yield the rows in the order of the file."""
        position = count(1)

        def interaction(values: tuple[Any, ...]) -> Interaction:
            user, item, *more = values
            time = _seconds(more[0], self._units) if self._timed else float(next(position))
            rating = more[-1] if self._rated else None
            return Interaction(_token(user), _token(item), time, math.nan if rating in (None, "") else float(rating))

        return read_rows(self.path, self._columns, interaction, log, self.separator)

    def items(self, log: ImportLog) -> Iterator[Item]:
        """Yield the rows of the file of items."""
        if self.item_file is None:
            return iter(())

        def item(values: tuple[Any, ...]) -> Item:
            token, *texts = values
            return Item(_token(token), **dict(zip(self._text, map(words, texts), strict=True)))

        return read_rows(self.item_file, [self._item, *self._text.values()], item, log, self.separator)


def _known(path: Path, columns: list[str], separator: str | None) -> list[str]:
    has = column_names(path, separator)
    for column in columns:
        if column not in has:
            raise DataError(f"{path} has no column {column!r}{did_you_mean(column, has)} (columns: {', '.join(has)})")
    return columns


def _token(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # whole numbers beside missing ones become floats
    return "" if value is None or value != value else str(value).strip()


def _seconds(value: Any, units: float) -> float:
    if isinstance(value, int | float):
        return value / units
    if isinstance(value, str):
        try:
            return float(value) / units
        except ValueError:
            value = datetime.fromisoformat(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no time")
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
