"""A comparison's one metric by slices: each domain, cold items, short histories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ckd_plugins.study.rows import Row

__all__ = ["SliceTable", "by_slice"]


class SliceTable(NamedTuple):
    """One metric, a column a slice."""

    heads: list[str]
    """Names of the slices; in brackets how many users they are the mean of."""
    rows: list[tuple[Row, list[float | None]]]
    """Each model's values; ``None`` where it was not measured."""


def by_slice(rows: Sequence[Row], metric: str) -> SliceTable | None:
    """Put rows' slices into a table; ``None`` where no row has any."""
    slices = {name: one for row in reversed(rows) for name, one in row.slices.items() if metric in one}
    # In the order of the row that has the most.
    order = max((list(row.slices) for row in rows), key=len, default=[])
    names = [name for name in dict.fromkeys([*order, *slices]) if name in slices]
    if not names:
        return None
    heads = [name if "users" not in slices[name] else f"{name} ({int(slices[name]['users']):,})" for name in names]
    return SliceTable(heads, [(row, [row.slices.get(n, {}).get(metric) for n in names]) for row in rows if row.slices])
