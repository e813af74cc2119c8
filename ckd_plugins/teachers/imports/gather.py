"""What a domain can use of a table of vectors or lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import DataError
from ckd_plugins.teachers.imports.rows import check_coverage, text

__all__ = ["gather_items", "gather_lists", "gather_vectors"]

Float32 = npt.NDArray[np.float32]
Arrays = dict[str, npt.NDArray[Any]]


def gather_items(table: pd.DataFrame, file: str, domain: Domain) -> tuple[Arrays, str]:
    """Return ``item_vectors`` ``float32 [n_items, d]`` and which are ``known`` ``bool [n_items]``, and the coverage.

    Raises:
        DataError: as :func:`gather_vectors`, or none of the domain's items has a vector.
    """
    _require(table, file, "item")
    items, given = gather_vectors(table[text(table["item"], file) != ""], file, "item", once=True)
    place, line = _places(pd.Series(items), file, domain)
    at, known = place.dropna().astype(int), np.zeros(domain.n_items, bool)
    vectors = np.zeros((domain.n_items, given.shape[1]), np.float32)
    vectors[at], known[at] = given[at.index], True
    return {"item_vectors": vectors, "known": known}, line


def gather_vectors(table: pd.DataFrame, file: str, key: str, *, once: bool) -> tuple[npt.NDArray[Any], Float32]:
    """Return distinct keys, ascending, and the first vector of each, ``float32 [S, d]``.

    Raises:
        DataError: there are no vectors, they differ in length or are not finite, or ``once`` forbids a second one.
    """
    _require(table, file, "vector")
    table = _distinct(table, file, key, once=once)
    sizes = table["vector"].map(np.size)
    if sizes.min() != sizes.max() or not sizes.min():
        raise DataError(f"{file}: its vectors have {sizes.min()} to {sizes.max()} numbers; give all of them the same")
    vectors = _numbers(np.stack(list(table["vector"])).reshape(len(table), -1), file, "vector")
    return table[key].to_numpy(), vectors


def gather_lists(
    table: pd.DataFrame,
    file: str,
    catalogue: Sequence[str] | None,
    domain: Domain,
    k: int,
    *,
    once: bool,
    distances: bool,
) -> tuple[Arrays, str]:
    """Return lists of the domain's items, and how many of those are on one.

    A table has a list in each row (``items``, ``scores``), or a listed item (``item``, ``score``). Without scores its
    order is best first, and rank ``r`` has the score ``-log r``, so that a softmax gives it ``1 / r``. Items that the
    domain has not keep their ranks and are left out. Of a list that comes again, the first counts.

    Args:
        table: with the column ``key``.
        file: its name.
        catalogue: what its numbers of items stand for.
        domain: who asks.
        k: length of the lists that are kept.
        once: a second list is an error.
        distances: low scores are good.

    Returns:
        ``keys`` ``uint64 [S]``, ascending, ``ids`` ``int32 [S, k]``, best first, -1 where a list is shorter, and
        ``scores`` ``float32 [S, k]``, 0 there; and the coverage.

    Raises:
        DataError: scores and items do not fit, or no list holds any of the domain's items.
    """
    if "items" in table:
        table = _distinct(table, file, "key", once=once).rename(columns={"items": "item", "scores": "score"})
        try:
            table = table.explode([name for name in ("item", "score") if name in table], ignore_index=True)
        except ValueError as error:
            raise DataError(f"{file}: a list has not as many scores as items; give one for each") from error
    _require(table, file, "item")
    table = table[table["key"] != 0].dropna(subset="item")
    named = text(table["item"], file) if catalogue is None else _named(table["item"], file, catalogue)
    table = table.assign(item=named)
    table = table[table["item"] != ""]  # what fills short lists
    if "score" in table:
        score = _numbers(table["score"].to_numpy(), file, "score") * (-1 if distances else 1)
    else:
        score = -np.log(table.groupby("key").cumcount().to_numpy() + 1.0)
    place, line = _places(table["item"], file, domain)
    table = table.assign(score=score, place=place).dropna(subset="place").drop_duplicates(["key", "place"])
    table = table.sort_values("score", ascending=False, kind="stable")
    column = table.groupby("key").cumcount().to_numpy()
    table, column = table[column < k], column[column < k]
    keys, row = np.unique(table["key"], return_inverse=True)
    ids = np.full((len(keys), int(column.max()) + 1), -1, np.int32)
    scores = np.zeros(ids.shape, np.float32)
    ids[row, column], scores[row, column] = table["place"], table["score"]
    return {"keys": keys, "ids": ids, "scores": scores}, line


def _require(table: pd.DataFrame, file: str, name: str) -> None:
    if name not in table:
        raise DataError(f"{file} has no {name!r}, only {', '.join(map(repr, table))}; rename the one that is meant")


def _distinct(table: pd.DataFrame, file: str, key: str, *, once: bool) -> pd.DataFrame:
    again = table[key].duplicated()
    if once and again.any():
        name = next(n for n in ("item", "user") if n in table)
        raise DataError(f"{file}: {name} {table[name][again].iloc[0]!r} comes twice; keep one row of it")
    return table[~again & (table[key] != 0)].sort_values(key)


def _numbers(values: npt.NDArray[Any], file: str, name: str) -> Float32:
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold is told below
            numbers = values.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: {name!r} does not hold numbers ({error}); write them as float32") from error
    if not np.isfinite(numbers).all():
        row = int(np.argwhere(~np.isfinite(numbers))[0][0])
        raise DataError(f"{file}: {name!r} holds {values[row]} where a finite number belongs; mend the row or drop it")
    return numbers


def _named(numbers: pd.Series[Any], file: str, catalogue: Sequence[str]) -> npt.NDArray[Any]:
    """The tokens of numbered items; negative numbers fill short lists."""
    given = _numbers(numbers.to_numpy(), file, "item").astype(np.float64)
    if (wrong := (given != np.round(given)) | (given >= len(catalogue))).any():
        raise DataError(
            f"{file} lists item {given[wrong][0]:g}, and item_tokens has tokens for 0 to {len(catalogue) - 1}; give "
            f"those of all items, in the order of their numbers"
        )
    named: npt.NDArray[Any] = np.array([*catalogue, ""], object)[np.maximum(given, -1).astype(np.int64)]
    return named


def _places(items: pd.Series[Any], file: str, domain: Domain) -> tuple[pd.Series[Any], str]:
    """Each item's place in the domain, NaN for a stranger, and the coverage."""
    place = items.map({token: float(i) for i, token in enumerate(domain.items)})
    strangers = [f"item {token!r}" for token in items[place.isna()].unique()]
    ours = [f"item {token!r}" for token in domain.items[:3]]
    return place, check_coverage("items", file, domain, place.nunique(), domain.n_items, strangers, ours)
