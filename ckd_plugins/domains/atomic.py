"""RecBole's atomic files, read without RecBole."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.text import clean, join
from ckd_plugins.errors import DataError

__all__ = ["DEFAULT_TEXT_FIELDS", "ItemTexts", "read_atomic", "read_texts"]

DEFAULT_TEXT_FIELDS = ("title", "brand", "categories")


def read_atomic(
    folder: str | Path,
    *,
    text_fields: Sequence[str] | None = None,
    leave_one_out: bool = True,
    user_field: str = "user_id",
    item_field: str = "item_id",
    order_field: str | None = "timestamp",
) -> Domain:
    """Read ``<name>.inter`` and ``<name>.item`` of the folder ``<name>`` (tab-separated, header ``field:type``).

    Args:
        folder: the folder, named as the files in it.
        text_fields: columns of the item file that make up an item's text, in order. ``None``: those of ``title``,
            ``brand`` and ``categories`` that the file has. Without an item file no item has a text.
        leave_one_out: hold each user's last two interactions out (test, validation). ``False`` gives all interactions
            for training: for pre-training domains only, never for one that is evaluated on.
        user_field: column of the user token.
        item_field: column of the item token.
        order_field: column to sort each user's interactions by; ``None`` keeps the order of the file.

    Raises:
        DataError: if a file or column is missing, a token is empty, an item has two rows, or there are no rows.
    """
    folder = Path(folder)
    inter = folder / f"{folder.name}.inter"
    if not inter.is_file():
        raise DataError(f"{inter} does not exist; a dataset is a folder with <folder name>.inter in it")
    needed = [user_field, item_field, *([order_field] if order_field else [])]
    frame = _read(inter, needed)
    if order_field and order_field not in frame:
        raise DataError(f"{inter} has no column {order_field!r}; name another order_field, or None for file order")
    _require(inter, frame, (user_field, item_field))
    if frame.empty:
        raise DataError(f"{inter} has a header but no interactions; check how it was written")
    texts = read_texts(folder / f"{folder.name}.item", item_field, text_fields)
    return Domain.from_interactions(
        folder.name,
        frame[user_field].tolist(),
        frame[item_field].tolist(),
        _order(inter, frame[order_field]).to_numpy() if order_field else None,
        texts.joined,
        attributes=texts.attributes,
        leave_one_out=leave_one_out,
    )


class ItemTexts(NamedTuple):
    """What an item file says of its items, cleaned."""

    joined: dict[str, str | None]
    """Item token -> its text, ``None`` where it has none."""
    attributes: dict[str, dict[str, str]]
    """The same apart: name of the column -> item token -> its value. The full stop that ends a field in a joined text
    is left out, and so are empty values."""


def read_texts(path: Path, item_field: str, text_fields: Sequence[str] | None) -> ItemTexts:
    """Return the texts of an item file's items; empty without a file.

    Raises:
        DataError: as :func:`read_atomic`.
    """
    items, columns = _columns(path, item_field, text_fields)
    cleaned = {name: [clean(value) for value in values] for name, values in columns.items()}
    rows = zip(*cleaned.values(), strict=True) if cleaned else ([] for _ in items)
    return ItemTexts(
        dict(zip(items, map(join, rows), strict=True)),
        {n: {i: v[:-1] for i, v in zip(items, values, strict=True) if v} for n, values in cleaned.items()},
    )


def _columns(path: Path, item_field: str, text_fields: Sequence[str] | None) -> tuple[list[str], dict[str, list[str]]]:
    """An item file's tokens and its text columns."""
    if not path.is_file():
        if text_fields:
            raise DataError(f"{path} does not exist, but text_fields asks for {', '.join(text_fields)}; add the file")
        return [], {}
    frame = _read(path, [item_field, *(DEFAULT_TEXT_FIELDS if text_fields is None else text_fields)])
    if text_fields is None:
        text_fields = [f for f in DEFAULT_TEXT_FIELDS if f in frame]
    _require(path, frame, (item_field,))
    repeated = frame[item_field][frame[item_field].duplicated()]
    if len(repeated):
        raise DataError(f"{path}: item {repeated.iloc[0]!r} has more than one row; keep one row an item")
    missing = [f for f in text_fields if f not in frame]
    if missing:
        known = ", ".join(_header(path))
        raise DataError(f"{path} has no column {missing[0]!r}; text_fields can name: {known}")
    return frame[item_field].tolist(), {f: frame[f].tolist() for f in text_fields}


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig") as lines:
        return [column.split(":", 1)[0] for column in lines.readline().rstrip("\r\n").split("\t")]


def _read(path: Path, wanted: Sequence[str]) -> pd.DataFrame:
    """The wanted columns that the file has, as strings; RecBole's files know no quoting and no missing-value words."""
    names = _header(path)
    try:
        return pd.read_csv(
            path,
            sep="\t",
            header=0,
            names=names,
            usecols=[n for n in dict.fromkeys(wanted) if n in names],
            dtype=str,
            keep_default_na=False,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            encoding="utf-8-sig",
            engine="c",
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} is no tab-separated atomic file ({error}); check delimiter and encoding") from error


def _require(path: Path, frame: pd.DataFrame, fields: Sequence[str]) -> None:
    for field in fields:
        if field not in frame:
            raise DataError(f"{path} has no column {field!r}; its columns: {', '.join(_header(path))}")
        empty = frame.index[frame[field] == ""]
        if len(empty):
            raise DataError(f"{path}, line {empty[0] + 2}: empty {field!r}; drop the row or fill it in")


def _order(path: Path, column: pd.Series[str]) -> pd.Series[float]:
    values = pd.to_numeric(column, errors="coerce")
    bad = column.index[values.isna()]
    if len(bad):
        raise DataError(f"{path}, line {bad[0] + 2}: {column.name} is {column[bad[0]]!r}, not a number; mend the row")
    return values
