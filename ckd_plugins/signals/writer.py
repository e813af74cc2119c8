"""Writing a store: shard by shard, to a hidden folder that is renamed when it is whole."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.files import allocate, array_bytes, checksum, json_bytes, map_array, write_rows, write_whole
from ckd_plugins.signals.layout import BEST, Layout, cast_rows, check_lists
from ckd_plugins.signals.lock import WriterLock
from ckd_plugins.signals.manifest import Column, Manifest, Provenance, ShardRecord, package_version

__all__ = ["SHARD_SIZE", "Shard", "StoreWriter", "working_folder", "write_shard"]

SHARD_SIZE = 65536
"""Rows of a shard unless told otherwise: 39 MB of 300-d fp16 vectors, the most that a killed writer loses."""

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Shard:
    """A shard that is still to be written."""

    index: int
    rows: _Array
    """int64: which of the caller's instances (positions in the ``keys`` that it gave) to ask the teacher about."""


class StoreWriter:
    """Makes a store, or goes on where a killed writer of the same store stopped.

    Use as a context manager; leaving it publishes the store if every shard is there, and otherwise keeps what was
    written for the next writer. All keys are given up front: duplicates and instances without a history (key 0) are
    left out, and rows are stored in the order in which their keys first come, so that a caller that lists a user's
    prefixes together meets them together. Memory is bounded by the shard and some 50 bytes a key.

    Args:
        path: the store's folder, which appears when it is whole.
        provenance: where the knowledge comes from.
        layout: the form, such as ``Layout.factors(item_vectors)``.
        keys: uint64 ``[R]``, content keys of the instances.
        items: the tokens of the teacher's items; index = position.
        shard_size: rows of a shard.
        created: time stamp (UTC, ISO 8601); ``None`` is now.
        replace: make the store anew although there is one, or an interrupted one, that was made from something else.
        wait: where another writer is at work on the store, wait for it, and find what it made; by default that is an
            error that names the other.

    Example:
        >>> layout = Layout.factors(teacher.item_factors(domain))
        >>> with StoreWriter(path, provenance, layout, keys=keys, items=domain.items) as writer:
        ...     for shard in writer.pending():
        ...         writer.write(shard, vectors=teacher.encode(instances, shard.rows))
    """

    def __init__(
        self,
        path: str | Path,
        provenance: Provenance,
        layout: Layout,
        *,
        keys: _Array,
        items: Sequence[str],
        shard_size: int = SHARD_SIZE,
        created: str | None = None,
        replace: bool = False,
        wait: bool = False,
    ) -> None:
        self.path, self._replace, self._wait = Path(path).absolute(), replace, wait
        layout.check_items(len(items))
        if shard_size < 1:
            raise SignalError(f"shard_size is {shard_size}; a shard needs at least one row")
        stored, self._rows = distinct_keys(keys)
        whole = {"keys": stored, **layout.arrays}
        self._files = {f"{name}.npy": array_bytes(a) for name, a in whole.items()}
        self._files["items.json"] = json_bytes(distinct_tokens(items))
        self.manifest = Manifest(
            provenance=provenance,
            kind=layout.kind,
            rows=len(stored),
            items=len(items),
            shard_size=shard_size,
            columns=layout.columns,
            arrays={name: Column(a.dtype.name, a.shape) for name, a in whole.items()},
            checksums={name: checksum(data) for name, data in self._files.items()},
            created=created or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            package=package_version(),
        )
        working = working_folder(self.path)
        working.parent.mkdir(parents=True, exist_ok=True)
        self._working = working
        self._lock = WriterLock(working.with_name(working.name + ".lock"))
        self.finished = False
        self._entered = False

    def __enter__(self) -> StoreWriter:
        self._lock.acquire(self._wait)
        try:
            self._prepare()
        except BaseException:
            self._lock.release()
            raise
        self._entered = True
        self._files = {}  # on the disk now
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self.finished and not self._pending():
                self._publish()
        finally:
            self._entered = False
            self._lock.release()

    def pending(self) -> Iterator[Shard]:
        """Yield the shards that are still to be written, in order."""
        for index in self._pending():
            start, stop = self.manifest.shard_range(index)
            yield Shard(index, self._rows[start:stop])

    def write(self, shard: Shard, **arrays: ArrayLike) -> None:
        """Write one shard; it counts once it is on the disk as a whole.

        Args:
            shard: from :meth:`pending`.
            **arrays: the store's columns, a row for each of ``shard.rows``.
        """
        if not self._entered or self.finished:
            raise SignalError(f"store {self.path} is not being written: use the writer in a 'with' block")
        write_shard(self._working, self.manifest, shard.index, {name: np.asarray(a) for name, a in arrays.items()})

    def _pending(self) -> list[int]:
        if self.finished:
            return []
        return [i for i in range(self.manifest.n_shards) if not _record(self._working, i).exists()]

    def _prepare(self) -> None:
        if (self.path / "manifest.json").exists():
            there = Manifest.from_json((self.path / "manifest.json").read_bytes(), f"store {self.path}")
            if there.plan() == self.manifest.plan():
                self.manifest, self.finished = there, True
            elif not self._replace:
                raise _differs(f"store {self.path} is there and differs", there, self.manifest)
        elif self.path.exists():
            raise SignalError(f"{self.path} is there and is no store; move it away or choose another path")
        plan = self._working / "plan.json"
        store = self._working / "store"
        if self.finished:
            if not store.exists():  # what a writer left that was killed right after publishing
                self._discard(plan)
            return
        if plan.exists() and store.exists():
            begun = Manifest.from_json(plan.read_bytes(), str(self._working))
            if begun.plan() == self.manifest.plan():
                # The first writer's time stamp, so that the bytes are those that it would have written.
                self.manifest = begun
                return
            if not self._replace:
                raise _differs(f"an interrupted writer of {self.path} differs", begun, self.manifest)
        self._discard(plan)
        self._begin(plan)

    def _discard(self, plan: Path) -> None:
        plan.unlink(missing_ok=True)  # first: half a folder must not look like one to go on with
        if self._working.exists():
            shutil.rmtree(self._working)

    def _begin(self, plan: Path) -> None:
        (self._working / "progress").mkdir(parents=True)
        store = self._working / "store"
        store.mkdir()
        for name, data in self._files.items():
            write_whole(store / name, data)
        for name, column in self.manifest.columns.items():
            allocate(store / f"{name}.npy", column.dtype, (self.manifest.rows, *column.shape))
        write_whole(plan, self.manifest.to_json())  # last: without it, the next writer begins anew

    def _publish(self) -> None:
        records = [json.loads(_record(self._working, i).read_bytes()) for i in range(self.manifest.n_shards)]
        self.manifest = replace(self.manifest, shards=tuple(ShardRecord(**r) for r in records))
        write_whole(self._working / "store" / "manifest.json", self.manifest.to_json())
        if self.path.exists():  # only with replace=True; readers that have it open keep it
            self.path.rename(self._working / "old")
        (self._working / "store").rename(self.path)
        self.finished = True
        self._discard(self._working / "plan.json")


def working_folder(path: Path) -> Path:
    """Return where the store at ``path`` grows: beside it, on the same file system, so that a rename publishes it."""
    return path.parent / ".writing" / path.name


def discard(path: Path) -> None:
    """Remove a damaged store: at once to its readers, so that a kill leaves nothing that stands in a new one's way."""
    old = working_folder(path).with_name(f"{path.name}.old")
    old.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(old, ignore_errors=True)
    path.rename(old)
    shutil.rmtree(old)


def write_shard(working: Path, manifest: Manifest, index: int, arrays: Mapping[str, _Array]) -> None:
    """Write one shard of a store that a :class:`StoreWriter` has begun.

    Needs no lock: shards are disjoint, so workers of one writer that share its file system may each write their own.
    """
    start, stop = manifest.shard_range(index)
    where = f"shard {index} of {working.name}"
    given = {name: column for name, column in manifest.columns.items() if name not in BEST}
    cast = cast_rows(arrays, given, stop - start, where)
    if len(given) < len(manifest.columns):
        cast |= _best(working, manifest, cast)
    if manifest.kind == "topk":
        check_lists(cast["ids"], manifest.items, where)
    record = _record(working, index)
    record.unlink(missing_ok=True)  # when it is written again, it is not whole until it is whole again
    checksums = {
        name: write_rows(working / "store" / f"{name}.npy", cast[name], (manifest.rows, *column.shape), start)
        for name, column in manifest.columns.items()
    }
    write_whole(record, json_bytes(asdict(ShardRecord(stop - start, checksums))))


def _best(working: Path, manifest: Manifest, cast: Mapping[str, _Array]) -> dict[str, _Array]:
    """The columns that are made from a shard's vectors as they are stored."""
    from ckd_plugins.signals.best import find_best  # imports torch, which stores without lists are written without

    about = manifest.arrays["item_vectors"]
    items = map_array(working / "store" / "item_vectors.npy", about.dtype, about.shape)
    vectors = cast["codes"] if "codes" in cast else cast["vectors"]
    n, temperature = manifest.columns[BEST[0]].shape[0], manifest.provenance.temperature
    return dict(zip(BEST, find_best(vectors, cast.get("scales"), items, temperature, n), strict=True))


def distinct_keys(keys: _Array) -> tuple[_Array, _Array]:
    """Return the distinct keys that are not 0, in the order of their first places, and those places (int64)."""
    if keys.ndim != 1 or keys.dtype != np.uint64:
        raise SignalError(f"keys must be uint64 [R], got {keys.dtype} {list(keys.shape)}")
    _, first = np.unique(keys, return_index=True)
    first.sort()
    first = first[keys[first] != 0]
    if not len(first):
        raise SignalError("there is nothing to cache: no instance has a history")
    return keys[first], first


def distinct_tokens(items: Sequence[str]) -> list[str]:
    """Return the tokens as a list, refusing an empty one and one with a token twice."""
    tokens = list(items)
    if not tokens:
        raise SignalError("there is nothing to cache: the teacher has no items")
    token, times = Counter(tokens).most_common(1)[0]
    if times > 1:
        raise SignalError(f"item {token!r} stands {times} times among the items; tokens must be distinct")
    return tokens


def _record(working: Path, index: int) -> Path:
    return working / "progress" / f"{index:06d}.json"


def _differs(what: str, there: Manifest, here: Manifest) -> SignalError:
    name = "plan"
    mine: Any = there.plan()
    wanted: Any = here.plan()
    while isinstance(mine, dict) and isinstance(wanted, dict):
        name = next(n for n in {**mine, **wanted} if mine.get(n) != wanted.get(n))
        mine, wanted = mine.get(name), wanted.get(name)
    return SignalError(f"{what}: its {name} is {mine!r}, here it is {wanted!r}; replace=True makes it anew")
