"""Reading a store: mapped, checked against the run, bound to its numbering once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.best import Best
from ckd_plugins.signals.bound import PADDING_TOKEN, BoundSignal, align_items
from ckd_plugins.signals.dense import DenseSignal
from ckd_plugins.signals.factors import FactorSignal
from ckd_plugins.signals.files import file_checksum, header, map_array
from ckd_plugins.signals.layout import check_kind
from ckd_plugins.signals.manifest import Manifest
from ckd_plugins.signals.topk import Outside, TopKSignal
from ckd_plugins.signals.writer import working_folder

__all__ = ["VERIFY_BYTES", "Coverage", "Store"]

VERIFY_BYTES = 256 << 20
"""``verify="auto"`` checks every byte of stores smaller than this on opening."""

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Coverage:
    """How much of a run a store knows."""

    rows: int
    known_rows: int
    items: int
    """Of the run, padding not counted."""
    known_items: int

    def __str__(self) -> str:
        return f"{self.known_rows} of {self.rows} rows, {self.known_items} of {self.items} items"


class Store:
    """A teacher's knowledge on disk; make one with :meth:`open`.

    Arrays with a row for each instance are memory-mapped: any number of students and processes share the pages.
    """

    def __init__(
        self, path: Path, manifest: Manifest, items: list[str], keys: _Array, arrays: dict[str, Tensor]
    ) -> None:
        self.path, self.manifest, self.items, self.keys = path, manifest, items, keys
        self._arrays = arrays

    def __len__(self) -> int:
        """Return the number of stored instances."""
        return self.manifest.rows

    def __repr__(self) -> str:
        m = self.manifest
        return f"Store({m.provenance.teacher!r}, {m.kind}, rows={m.rows}, items={m.items}, path={str(self.path)!r})"

    @classmethod
    def open(
        cls,
        path: str | Path,
        expected: Mapping[str, object] | None = None,
        verify: Literal["auto"] | bool = "auto",
    ) -> Store:
        """Open a store for reading.

        Args:
            path: its folder.
            expected: what the run needs, by field of :class:`~ckd_plugins.signals.Provenance`; ``None`` takes any.
            verify: ``True`` compares every checksum, ``False`` only sizes and headers, ``"auto"`` is ``True`` for
                stores below 256 MB.

        Raises:
            SignalError: there is no whole store, it is damaged, or it does not fit the run.
        """
        folder = Path(path).absolute()
        while True:
            data = _manifest_bytes(folder)
            manifest = Manifest.from_json(data, f"store {folder}")
            manifest.check(expected or {}, f"store {folder}")
            check_kind(manifest.kind, {*manifest.columns, *manifest.arrays}, f"store {folder}")
            try:
                store = cls._map(folder, manifest)
                if verify is True or (verify == "auto" and store.nbytes < VERIFY_BYTES):
                    store.verify()
            except (SignalError, OSError) as error:  # an OSError: a file went while its bytes were compared
                if _manifest_bytes(folder) != data:
                    continue
                if isinstance(error, SignalError):
                    raise
                raise SignalError(f"store {folder} cannot be read: {error}") from error
            else:
                if _manifest_bytes(folder) == data:
                    return store
            # A writer has replaced the store while its files were being mapped: what we hold may be of both.

    @classmethod
    def _map(cls, folder: Path, manifest: Manifest) -> Store:
        mapped = {
            name: map_array(folder / f"{name}.npy", column.dtype, column.shape)
            for name, column in manifest.arrays.items()
        }
        for name, column in manifest.columns.items():
            mapped[name] = map_array(folder / f"{name}.npy", column.dtype, (manifest.rows, *column.shape))
        try:
            items = json.loads((folder / "items.json").read_bytes())
        except (OSError, ValueError):
            raise SignalError(
                f"store {folder}: items.json cannot be read; delete the store and cache it again"
            ) from None
        keys = mapped.pop("keys")
        return cls(folder, manifest, items, keys, {name: torch.from_numpy(a) for name, a in mapped.items()})

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays on disk."""
        return self.keys.nbytes + sum(a.nbytes for a in self._arrays.values())

    def arrays(self) -> dict[str, _Array]:
        """Return the stored arrays by name, mapped, but for the keys: ``vectors``, ``item_vectors``, and such."""
        return {name: array.numpy() for name, array in self._arrays.items()}

    def verify(self) -> None:
        """Compare every byte with its checksum.

        Raises:
            SignalError: naming the first file, and the shard in it, that is damaged.
        """
        for damage in self.damaged():
            raise SignalError(
                f"store {self.path}: {damage}; delete the store and run '{self.manifest.provenance.rebuild}'"
            )

    def damaged(self) -> Iterator[str]:
        """Compare every byte with its checksum and yield what differs: ``"shard 2 of vectors.npy is damaged"``."""
        for what, found, wanted in self._checksums():
            if found != wanted:
                yield f"{what} is damaged"

    def _checksums(self) -> Iterator[tuple[str, str, str]]:
        for name, wanted in self.manifest.checksums.items():
            yield name, file_checksum(self.path / name), wanted
        if len(self.manifest.shards) != self.manifest.n_shards:
            yield "manifest.json", f"of {len(self.manifest.shards)} shards", f"of {self.manifest.n_shards}"
        for name, column in self.manifest.columns.items():
            head = len(header(column.dtype, (self.manifest.rows, *column.shape)))
            width = int(np.prod(column.shape)) * np.dtype(column.dtype).itemsize
            for i, shard in enumerate(self.manifest.shards):
                start, stop = self.manifest.shard_range(i)
                found = file_checksum(self.path / f"{name}.npy", head + start * width, head + stop * width)
                yield f"shard {i} of {name}.npy", found, shard.checksums[name]

    def bind(
        self,
        keys: _Array,
        item_tokens: Sequence[str | None],
        *,
        outside: Outside = "floor",
        margin: float = 1.0,
    ) -> BoundSignal:
        """Look a run's rows and items up, once.

        Args:
            keys: uint64 ``[R]``, content keys of the run's rows; 0 (no history) is unknown.
            item_tokens: the run's item tokens by item id; ``None`` and ``"[PAD]"`` are padding.
            outside: for top-k lists: the policy of :class:`~ckd_plugins.signals.TopKSignal`.
            margin: for top-k lists: how far the floor lies below the list, in temperatures.

        Raises:
            SignalError: the store knows none of the rows, or none of the items: it was made for other data.
        """
        rows, items = self._positions(keys), align_items(self.items, item_tokens)
        for what, known, n in (("rows", rows, len(rows)), ("items", items, len(items))):
            if n and not bool((known >= 0).any()):
                raise SignalError(
                    f"store {self.path} knows none of this run's {n} {what}: it was made for other data or with "
                    f"another history length; run '{self.manifest.provenance.rebuild}'"
                )
        source = self.manifest.provenance
        name, temperature = source.teacher, source.temperature
        if self.manifest.kind == "factors":
            vectors = self._arrays["vectors"] if "vectors" in self._arrays else self._arrays["codes"]
            return FactorSignal(
                vectors,
                self._arrays["item_vectors"],
                rows,
                items,
                name=name,
                temperature=temperature,
                scales=self._arrays.get("scales"),
                best=Best.among(self._arrays),
            )
        if self.manifest.kind == "topk":
            return TopKSignal(
                self._arrays["ids"],
                self._arrays["scores"],
                rows,
                items,
                name=name,
                temperature=temperature,
                n_items=len(self.items),
                outside=outside,
                margin=margin,
            )
        return DenseSignal(self._arrays["scores"], rows, items, name=name, temperature=temperature)

    def coverage(self, keys: _Array, item_tokens: Sequence[str | None]) -> Coverage:
        """Return how much of a run the store knows; arguments as of :meth:`bind`."""
        rows = self._positions(keys)
        padding = sum(t is None or t == PADDING_TOKEN for t in item_tokens)
        known_items = int((align_items(self.items, item_tokens) >= 0).sum())
        return Coverage(len(rows), int((rows >= 0).sum()), len(item_tokens) - padding, known_items)

    @cached_property
    def _order(self) -> _Array:
        return np.argsort(self.keys)

    def _positions(self, keys: _Array) -> Tensor:
        """Return where each key's row is stored, int64, -1 for keys that are not."""
        if keys.ndim != 1 or keys.dtype != np.uint64:
            raise SignalError(f"keys must be uint64 [R], got {keys.dtype} {list(keys.shape)}")
        at = np.searchsorted(self.keys, keys, sorter=self._order)
        position = self._order[np.minimum(at, len(self) - 1)]
        return torch.from_numpy(np.where(self.keys[position] == keys, position, -1).astype(np.int64))


def _manifest_bytes(folder: Path) -> bytes:
    try:
        return (folder / "manifest.json").read_bytes()
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        raise SignalError(f"{folder} is a file; a store is a folder") from None
    if (working_folder(folder) / "plan.json").exists():
        raise SignalError(
            f"store {folder} is still being written, or its writer was interrupted; wait, or run the same "
            "'ckd teacher cache' again to go on"
        )
    raise SignalError(f"there is no store at {folder}; make one with 'ckd teacher cache NAME --dataset D'")
