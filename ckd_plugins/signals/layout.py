"""The three forms as stored: which arrays each has, and what makes their values sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.int8 import to_int8
from ckd_plugins.signals.manifest import Column

__all__ = ["BEST", "Layout", "cast_rows", "check_kind", "check_lists"]

_Array = np.ndarray[Any, Any]

_NEEDS = {"factors": ("vectors", "item_vectors"), "topk": ("ids", "scores"), "dense": ("scores",)}
"""The arrays that each kind must have. A store may hold more; a reader takes those that it knows."""

_INT8 = {"codes", "scales"}
"""What stands for ``vectors`` where they are int8: other names, so that a reader that knows no scales refuses them."""

BEST = ("top_ids", "top_scores", "logsumexp")
"""What a store of factors may hold of each row's scores over all items, made from the vectors when a shard is written:
see :class:`ckd_plugins.signals.best.Best`."""


@dataclass(frozen=True)
class Layout:
    """The form of a store, as its writer declares it; make one with a class method."""

    kind: str
    """``"factors"``, ``"topk"`` or ``"dense"``."""
    columns: dict[str, Column]
    """Arrays with a row for each instance, written shard by shard."""
    arrays: dict[str, _Array] = field(default_factory=dict)
    """Arrays that are stored as they are."""

    @classmethod
    def factors(cls, item_vectors: _Array, dtype: str = "float16", top: int | None = None) -> Layout:
        """One vector an instance, written as ``vectors=[rows, d]``, and one an item.

        Args:
            item_vectors: float ``[n_items, d]``. Kept as float32: they are few, and the error is then the rows' alone.
            dtype: of the instances' vectors on disk: ``"float16"``, ``"float32"``, or ``"int8"``, which stores a scale
                with each; see :func:`ckd_plugins.signals.int8.to_int8`.
            top: also keep so many of each instance's best items, with their scores and the log-sum-exp of all items'
                scores: 8 bytes an item and 4 bytes an instance; see :class:`ckd_plugins.signals.best.Best`.
        """
        vectors = np.asarray(item_vectors, np.float32)
        if vectors.ndim != 2 or not vectors.shape[1]:
            raise SignalError(f"item_vectors {vectors.shape} must be [items, d]")
        if not np.isfinite(vectors).all():
            raise SignalError("item_vectors hold NaN or infinite values; a signal must be finite")
        width = (vectors.shape[1],)
        columns = {"vectors": Column(dtype, width)}
        if dtype == "int8":
            columns = {"codes": Column("int8", width), "scales": Column("float32", ())}
        if top is not None:
            if top < 1:
                raise SignalError(f"top is {top}; a list needs at least one item")
            listed = (min(top, len(vectors)),)
            shapes = (Column("int32", listed), Column("float32", listed), Column("float32", ()))
            columns |= dict(zip(BEST, shapes, strict=True))
        return cls("factors", columns, {"item_vectors": vectors})

    @classmethod
    def topk(cls, k: int, dtype: str = "float32") -> Layout:
        """The best ``k`` items, written as ``ids=[rows, k]`` (item indices, -1 fills) and ``scores=[rows, k]``."""
        if k < 1:
            raise SignalError(f"k is {k}; a list needs at least one item")
        return cls("topk", {"ids": Column("int32", (k,)), "scores": Column(dtype, (k,))})

    @classmethod
    def dense(cls, n_items: int, dtype: str = "float32") -> Layout:
        """Every item's score, written as ``scores=[rows, n_items]``."""
        return cls("dense", {"scores": Column(dtype, (n_items,))})

    def check_items(self, n_items: int) -> None:
        """Refuse arrays that are not those of this many items."""
        sizes = {"factors": lambda: len(self.arrays["item_vectors"]), "dense": lambda: self.columns["scores"].shape[0]}
        if self.kind in sizes and (found := sizes[self.kind]()) != n_items:
            raise SignalError(f"the layout is of {found} items, and {n_items} item tokens were given")


def check_kind(kind: str, names: set[str], where: str) -> None:
    """Refuse a kind that this version does not know, and one whose arrays are not all there."""
    if kind not in _NEEDS:
        raise SignalError(f"{where}: unknown kind {kind!r} (known: {', '.join(_NEEDS)}); upgrade ckd-plugins")
    if kind == "factors" and names >= _INT8:
        names = names | {"vectors"}
    missing = [name for name in _NEEDS[kind] if name not in names]
    if missing:
        raise SignalError(f"{where}: kind {kind!r} needs the array {missing[0]!r}")


def cast_rows(arrays: Mapping[str, _Array], columns: Mapping[str, Column], rows: int, where: str) -> dict[str, _Array]:
    """Return a shard's arrays in the stored dtypes; ``vectors`` become ``codes`` and ``scales`` where those are stored.

    Raises:
        SignalError: an array is missing or unknown, has another shape, or holds NaN, infinity, or values too large
            for the stored dtype.
    """
    if "vectors" in arrays and set(columns) >= _INT8 and arrays["vectors"].ndim == 2:
        codes, scales = to_int8(arrays["vectors"], where)
        arrays = {
            **{name: array for name, array in arrays.items() if name != "vectors"},
            "codes": codes,
            "scales": scales,
        }
    if set(arrays) != set(columns):
        raise SignalError(f"{where}: got arrays {sorted(arrays)}, the store has columns {sorted(columns)}")
    cast = {}
    for name, column in columns.items():
        given = arrays[name]
        if given.shape != (rows, *column.shape):
            raise SignalError(f"{where}: {name} has shape {given.shape}, {(rows, *column.shape)} belongs there")
        with np.errstate(over="ignore"):  # an overflow becomes infinite and is refused below, with a better word
            cast[name] = given.astype(column.dtype, copy=False)
        if cast[name].dtype.kind == "f" and not np.isfinite(cast[name]).all():
            if not np.isfinite(given).all():
                raise SignalError(f"{where}: {name} hold NaN or infinite values; mend the teacher")
            largest = float(np.abs(given, dtype=np.float64).max())
            raise SignalError(
                f"{where}: {name} hold too large values for {column.dtype} (largest: {largest:g}); mend the teacher, "
                f"or store float32 (ckd.signals.vectors)"
            )
    return cast


def check_lists(ids: _Array, n_items: int, where: str) -> None:
    """Refuse top-k lists that a reader could not answer from: empty, with an item twice, or with an unknown index."""
    ids = np.sort(ids, axis=1)
    if ids[:, 0].min() < -1 or ids[:, -1].max() >= n_items:
        raise SignalError(f"{where}: ids must lie in [-1, {n_items}), got {ids.min()} to {ids.max()}")
    if (ids[:, -1] < 0).any():
        raise SignalError(f"{where}: a list is empty; leave instances without a list out of the store")
    if ((ids[:, 1:] == ids[:, :-1]) & (ids[:, 1:] >= 0)).any():
        raise SignalError(f"{where}: an item stands twice on one list")
