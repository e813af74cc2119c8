"""RecBole's atomic files, written as it reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path

import numpy as np

from ckd_plugins.domains.importers.base import Item
from ckd_plugins.domains.importers.columns import Columns
from ckd_plugins.domains.importers.filters import Int64, from_start

__all__ = ["ITEM_HEADER", "item_row", "tidy", "write_interactions", "write_items"]

ITEM_HEADER = "item_id:token\ttitle:token_seq\tbrand:token_seq\tcategories:token_seq\n"
# Line breaks within a line and bytes that end strings in C: no table has them.
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], " ")


def tidy(field: str) -> str:
    """Return a field as one line: entities decoded once, white space joined.

    Quotes are dropped from a field that begins with one: RecBole would take it for a quoted one and refuse the file.
    """
    field = " ".join(unescape(field).translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8").split())
    return " ".join(field.replace('"', " ").split()) if field.startswith('"') else field


def item_row(item: Item) -> str:
    """Return an item's line without its token."""
    return f"\t{tidy(item.title)}\t{tidy(item.brand)}\t{tidy(item.categories)}\n"


def write_interactions(path: Path, columns: Columns, rows: Int64, *, positions: bool = False) -> list[str]:
    """Write ``.inter``: a user's rows together and in the order of time, users by first appearance.

    RecBole keeps times as float32, 128 s apart in 2014, and sorts them stably: the order of the rows decides.

    Args:
        path: the file.
        columns: all interactions.
        rows: those to write, in this order.
        positions: number each user's rows from 1 in place of their times.

    Returns:
        The names of the columns.
    """
    users, items = list(columns.users), list(columns.items)
    user, rating = columns.user[rows], columns.rating[rows]
    time = from_start(user) + 1 if positions else columns.time[rows]
    rated = not np.isnan(rating).any()
    names = ["user_id", "item_id", *(["rating"] if rated else []), "timestamp"]

    def lines() -> Iterator[str]:
        yield "user_id:token\titem_id:token\t" + ("rating:float\t" if rated else "") + "timestamp:float\n"
        values = zip(user.tolist(), columns.item[rows].tolist(), time.tolist(), strict=True)
        if rated:
            for (u, i, t), r in zip(values, rating.tolist(), strict=True):
                yield f"{users[u]}\t{items[i]}\t{_number(r)}\t{_number(t)}\n"
        else:
            for u, i, t in values:
                yield f"{users[u]}\t{items[i]}\t{_number(t)}\n"

    _write(path, lines())
    return names


def write_items(path: Path, rows: dict[str, str]) -> None:
    """Write ``.item`` from lines by token."""
    _write(path, [ITEM_HEADER, *(token + row for token, row in rows.items())])


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
