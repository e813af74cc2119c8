"""Which columns of ``.item`` and ``.user`` a model that reads features is given when nobody chose them.

A side feature says what items, or users, have in common. A column of which most values occur only once (a title, a
description, a postal code) has nothing to say of others: it tells the item again, word by word, and each word is
embedded for each pair. A column with one value says nothing at all. Both are left out. On MovieLens-100K that leaves
the columns that RecBole's authors chose for it by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ckd_plugins.host.settings import DatasetPath

__all__ = ["SideFeatures", "side_features"]

_ROWS = 100_000
"""How much of a file is read to decide; what holds for so many rows holds for the others."""
_COMMA = ", "


@dataclass
class SideFeatures:
    """What is loaded from the files beside ``.inter``."""

    columns: dict[str, list[str]] = field(default_factory=dict)
    """Ending of a file (``item``, ``user``) to its columns, the id first; a file without a feature is missing."""
    floats: list[str] = field(default_factory=list)
    """Those of the columns that are numbers; RecBole embeds such only if ``numerical_features`` names them."""
    separator: str | None = None
    """What parts a ``token_seq`` column into tokens, where it is not RecBole's single space."""


def side_features(dataset: DatasetPath, ids: Mapping[str, str], taken: Collection[str]) -> SideFeatures:
    """Choose the side features of a dataset.

    Args:
        dataset: where the files lie.
        ids: ending of a file to the name of its id column.
        taken: columns that are loaded from ``.inter``; a field of RecBole has one source.

    Returns:
        Columns of type token, token_seq and float that pass :func:`_is_shared`. Vectors (float_seq) do not: they are
        made of a text or an image, for models that ask for them by name.
    """
    chosen, names, lists = SideFeatures(), set(taken), []
    for ending, id_field in ids.items():
        kinds = dataset.columns(ending)
        if id_field not in kinds:
            continue
        wanted = {n: k for n, k in kinds.items() if n not in names and k != "float_seq"}
        found = _values(dataset.folder / f"{dataset.name}.{ending}", list(kinds), wanted)
        features = [n for n, kind in wanted.items() if _is_shared(found[n], kind)]
        if features:
            chosen.columns[ending] = [id_field, *features]
            chosen.floats += [n for n in features if wanted[n] == "float"]
            lists += [found[n] for n in features if wanted[n] == "token_seq"]
            names.update(features)
    if _are_by_comma(lists):
        chosen.separator = _COMMA
    return chosen


def _values(path: Path, header: list[str], wanted: Collection[str]) -> dict[str, Counter[str]]:
    """How often each value of a column occurs; ``""`` is a missing one."""
    places = {name: header.index(name) for name in wanted}
    found: dict[str, Counter[str]] = {name: Counter() for name in wanted}
    # Bytes that are no text count as themselves here; who reads the file in earnest refuses them.
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in islice(file, 1, _ROWS + 1):
            cells = line.rstrip("\r\n").split("\t")
            for name, place in places.items():
                found[name][cells[place].strip() if place < len(cells) else ""] += 1
    return found


def _is_shared(values: Counter[str], kind: str) -> bool:
    """Whether a column has at least two values, and, unless they are numbers, at most half of them occur only once."""
    present = [count for value, count in values.items() if value]
    if kind == "float":  # RecBole takes the mean for a missing number: no value of its own
        return len(present) > 1
    varies = len(present) > 1 or (len(present) == 1 and "" in values)
    return varies and 2 * sum(count == 1 for count in present) <= sum(present)


def _are_by_comma(lists: list[Counter[str]]) -> bool:
    """Whether token_seq columns are parted by commas; RecBole has one separator for all of them.

    They are where one column has a comma in most of its values and no column gets more different tokens by it than
    it has by spaces: a list of words parted by spaces would become one token for each combination of words.
    """

    def has_commas(values: Counter[str]) -> bool:
        return 2 * sum(n for v, n in values.items() if _COMMA in v) > sum(n for v, n in values.items() if v)

    def tokens(values: Counter[str], separator: str) -> int:
        return len({token for value in values for token in value.split(separator) if token})

    return any(map(has_commas, lists)) and all(tokens(v, _COMMA) <= tokens(v, " ") for v in lists)
