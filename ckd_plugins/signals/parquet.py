"""A store as one Parquet file, and back: the same bytes, checked against the checksums of the store's manifest.

The file has a row for each instance and, after them, one for each item:

=================  ===================================  =====================================
column             in an instance's row                 in an item's row
=================  ===================================  =====================================
``key``            uint64, the instance's content key   null
the store's own    a number, or a list of numbers       null
``item``           null                                 the item's token
``item_vectors``   null                                 float32 list (factors only)
=================  ===================================  =====================================

``ids`` of lists are places among the items, from 0. The schema's metadata hold the manifest, with the provenance, as
JSON (``ckd_plugins.manifest``) and the store's name (``ckd_plugins.store``).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ckd_plugins.errors import EnvironmentProblem, SignalError
from ckd_plugins.signals.checking import check_store
from ckd_plugins.signals.files import allocate, json_bytes, map_array, write_rows, write_whole
from ckd_plugins.signals.layout import BEST, cast_rows, check_kind, check_lists
from ckd_plugins.signals.lock import WriterLock
from ckd_plugins.signals.manifest import Column, Manifest
from ckd_plugins.signals.store import Store
from ckd_plugins.signals.writer import discard, distinct_keys, distinct_tokens, working_folder

__all__ = ["export_store", "import_store", "need_pyarrow"]

MANIFEST, NAME = b"ckd_plugins.manifest", b"ckd_plugins.store"

_Array = np.ndarray[Any, Any]

_FLOATS = ("float16", "float32", "float64")
_COLUMNS = {"vectors": _FLOATS, "codes": ("int8",), "scales": ("float32",), "ids": ("int32",), "scores": _FLOATS}
_COLUMNS |= dict(zip(BEST, (("int32",), ("float32",), ("float32",)), strict=True))
_WHOLE = {"keys": ("uint64",), "item_vectors": ("float32",)}
"""Arrays that are imported, and their dtypes: names become files, and a dtype such as ``object`` would be pickled."""

_NUMBERS = 1 << 22
"""Of a column, held in memory at once: 8 MB of fp16, and several times that while Parquet packs them."""


def need_pyarrow() -> tuple[Any, Any]:
    """Return ``pyarrow`` and ``pyarrow.parquet``.

    Raises:
        EnvironmentProblem: it is not installed.
    """
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise EnvironmentProblem("Parquet needs pyarrow; pip install 'ckd-plugins[parquet]'") from error


def export_store(store: str | Path, file: str | Path) -> Path:
    """Write a store as a Parquet file, which appears when it is whole; one of that name is replaced.

    Args:
        store: the store's folder. Every byte of it is compared with its checksum first.
        file: where to.

    Raises:
        SignalError: the store is damaged, or the file cannot be written.
        EnvironmentProblem: there is no pyarrow.
    """
    arrow, parquet = need_pyarrow()
    opened, file = Store.open(store, verify=True), Path(file).absolute()
    data = (opened.path / "manifest.json").read_bytes()
    if data != opened.manifest.to_json():
        raise SignalError(f"store {opened.path} was replaced while it was exported; export it again")
    schema = _schema(arrow, opened.manifest).with_metadata({MANIFEST: data, NAME: opened.path.name.encode()})
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with parquet.ParquetWriter(scratch, schema, compression="zstd", write_page_checksum=True) as writer:
            for part in _parts(arrow, opened, schema):
                writer.write_table(part)
        with scratch.open("rb+") as written:
            os.fsync(written.fileno())
        scratch.replace(file)
    except OSError as error:
        raise SignalError(f"{file} cannot be written: {error.strerror or error}; choose another place") from error
    finally:
        scratch.unlink(missing_ok=True)
    return file


def import_store(file: str | Path, folder: str | Path) -> Path:
    """Make the store that a Parquet file holds: the bytes of the one that was exported.

    Args:
        file: as :func:`export_store` wrote it.
        folder: where the store's folder goes, such as ``signals`` of a cache; it has its old name there. Another
            writer of the same store is waited for. A whole store that is there already is left as it is.

    Returns:
        The store's folder.

    Raises:
        SignalError: the file is no exported store, or is damaged, or another store has its name; nothing is left.
        EnvironmentProblem: there is no pyarrow.
    """
    _, parquet = need_pyarrow()
    file = Path(file)
    # Without pre_buffer=False, pyarrow keeps what it has read: memory would grow with the file.
    with _told(file), parquet.ParquetFile(file, page_checksum_verification=True, pre_buffer=False) as source:
        data, name = _about(source, file)
        manifest = Manifest.from_json(data, str(file))
        _check(manifest, source.metadata.num_rows, file)
        path = Path(folder).absolute() / name
        working = working_folder(path)
        working.parent.mkdir(parents=True, exist_ok=True)
        lock = WriterLock(working.with_name(f"{name}.lock"))
        lock.acquire(wait=True)
        scratch = working.with_name(f"{name}.import")
        try:
            if _there(path, data):
                return path
            shutil.rmtree(scratch, ignore_errors=True)
            _fill(source, manifest, scratch, file)
            write_whole(scratch / "manifest.json", data)
            if damage := check_store(scratch).damage:
                raise SignalError(f"{file}: {damage[0]}; export the store again")
            if path.exists():  # a damaged one
                discard(path)
            scratch.rename(path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            lock.release()
    return path


def _step(manifest: Manifest) -> int:
    """Rows that are held in memory at once."""
    return max(1, _NUMBERS // max([1, *(n for column in manifest.columns.values() for n in column.shape)]))


def _schema(arrow: Any, manifest: Manifest) -> Any:
    def kind(column: Column) -> Any:
        number = arrow.from_numpy_dtype(np.dtype(column.dtype))
        return arrow.list_(number) if column.shape else number

    whole = {n: Column(c.dtype, c.shape[1:]) for n, c in manifest.arrays.items() if n != "keys"}
    fields = [("key", arrow.uint64()), *((name, kind(column)) for name, column in manifest.columns.items())]
    return arrow.schema([*fields, ("item", arrow.string()), *((name, kind(column)) for name, column in whole.items())])


def _parts(arrow: Any, store: Store, schema: Any) -> Iterator[Any]:
    """The file's rows, a block at a time: instances, then items."""
    manifest, arrays = store.manifest, store.arrays()
    step = _step(manifest)
    for start in range(0, manifest.rows, step):
        keys = store.keys[start : start + step]
        own = {name: arrays[name][start : start + step] for name in manifest.columns}
        yield _table(arrow, schema, {"key": keys, **own}, len(keys))
    for start in range(0, manifest.items, step):
        tokens = store.items[start : start + step]
        own = {name: arrays[name][start : start + step] for name in manifest.arrays if name != "keys"}
        yield _table(arrow, schema, {"item": tokens, **own}, len(tokens))


def _table(arrow: Any, schema: Any, columns: dict[str, Any], rows: int) -> Any:
    def column(field: Any) -> Any:
        given = columns.get(field.name)
        if given is None:
            return arrow.nulls(rows, field.type)
        if isinstance(given, np.ndarray) and given.ndim == 2:
            values = arrow.array(np.ascontiguousarray(given).reshape(-1), field.type.value_type)
            offsets = np.arange(rows + 1, dtype=np.int64) * given.shape[1]
            return arrow.ListArray.from_arrays(arrow.array(offsets, arrow.int32()), values)
        return arrow.array(given, field.type)

    return arrow.Table.from_arrays([column(field) for field in schema], schema=schema)


def _about(source: Any, file: Path) -> tuple[bytes, str]:
    """The manifest's bytes and the store's name; the name must be one of a folder, and lead nowhere else."""
    told = source.schema_arrow.metadata or {}
    if MANIFEST not in told or NAME not in told:
        raise SignalError(f"{file}: holds no store; give a file that 'ckd teacher cache --export' wrote")
    name = told[NAME].decode("utf-8", "replace")
    if not name.isprintable() or name.startswith(".") or "/" in name or "\\" in name or not 0 < len(name) < 200:
        raise SignalError(f"{file}: {name[:50]!r} is no name of a store; export it again")
    return told[MANIFEST], name


def _check(manifest: Manifest, rows: int, file: Path) -> None:
    """Refuse a manifest that names other files than a store has, or is of other rows than the file's."""
    check_kind(manifest.kind, {*manifest.columns, *manifest.arrays}, str(file))
    wrong = [
        name
        for known, group in ((_COLUMNS, manifest.columns), (_WHOLE, manifest.arrays))
        for name, column in group.items()
        if column.dtype not in known.get(name, ()) or not all(isinstance(n, int) and n > 0 for n in column.shape)
    ]
    sizes = {name: column.shape[:1] for name, column in manifest.arrays.items()}
    right = {"keys": (manifest.rows,), **({"item_vectors": (manifest.items,)} if "item_vectors" in sizes else {})}
    if wrong or sizes != right or set(manifest.checksums) != {"items.json", *(f"{name}.npy" for name in sizes)}:
        raise SignalError(f"{file}: {repr(wrong[0]) if wrong else 'the manifest'} is not of a store; export it again")
    if manifest.shard_size < 1 or manifest.rows + manifest.items != rows:
        raise SignalError(
            f"{file}: has {rows} rows where {manifest.rows} instances and {manifest.items} items belong; export the "
            "store again"
        )


def _there(path: Path, data: bytes) -> bool:
    """Whether the store is there as a whole; a damaged one is not."""
    if not path.exists():
        return False
    if not (path / "manifest.json").is_file() or (path / "manifest.json").read_bytes() == data:
        return check_store(path).whole
    raise SignalError(f"store {path} is there and is another one; move it away, or import into another cache")


def _fill(source: Any, manifest: Manifest, scratch: Path, file: Path) -> None:
    """Write every file of the store but its manifest."""
    scratch.mkdir()
    shapes = {name: (manifest.rows, *column.shape) for name, column in manifest.columns.items()}
    shapes |= {name: column.shape for name, column in manifest.arrays.items()}
    columns = {"keys": Column("uint64", ()), **manifest.columns}
    whole = {n: Column(c.dtype, c.shape[1:]) for n, c in manifest.arrays.items() if n != "keys"}
    for name, column in {**columns, **whole}.items():
        allocate(scratch / f"{name}.npy", column.dtype, shapes[name])
    tokens: list[str] = []
    done = 0
    for batch in source.iter_batches(_step(manifest)):
        rows = min(len(batch), max(0, manifest.rows - done))
        for part, group, start in (
            (batch.slice(0, rows), columns, done),
            (batch.slice(rows), whole, done + rows - manifest.rows),
        ):
            if not len(part):
                continue
            given = {n: _numbers(part.column("key" if n == "keys" else n), c, n, file) for n, c in group.items()}
            for name, rows_of in cast_rows(given, group, len(part), f"{file}").items():
                write_rows(scratch / f"{name}.npy", rows_of, shapes[name], start)
            for name in given.keys() & {"ids", BEST[0]}:
                check_lists(given[name], manifest.items, f"{file}")
        tokens += batch.column("item").slice(rows).to_pylist()
        done += len(batch)
    if not all(isinstance(token, str) for token in tokens):
        raise SignalError(f"{file}: an item has no token; export the store again")
    keys = map_array(scratch / "keys.npy", "uint64", (manifest.rows,))
    if len(distinct_keys(keys)[0]) != manifest.rows:
        raise SignalError(f"{file}: a key stands there twice, or is 0; export the store again")
    write_whole(scratch / "items.json", json_bytes(distinct_tokens(tokens)))


def _numbers(column: Any, kind: Column, name: str, file: Path) -> _Array:
    """A part of a column as an array ``[rows, *shape]`` of exactly the stored dtype."""
    values, rows = column, len(column)
    if column.null_count:
        raise SignalError(f"{file}: {name!r} lacks a value; export the store again")
    if kind.shape:
        values = column.flatten()
        if values.null_count or len(values) != rows * kind.shape[0] or len(set(np.diff(column.offsets.to_numpy()))) > 1:
            raise SignalError(f"{file}: a list of {name!r} has not {kind.shape[0]} numbers; export the store again")
    array: _Array = values.to_numpy(zero_copy_only=False)
    if array.dtype.name != kind.dtype:
        raise SignalError(f"{file}: {name!r} is {array.dtype.name}, {kind.dtype} belongs there; export the store again")
    return array.reshape(rows, *kind.shape)


@contextlib.contextmanager
def _told(file: Path) -> Iterator[None]:
    """Turn what goes wrong in reading into one line."""
    try:
        yield
    except FileNotFoundError as error:
        where = error.filename if error.filename not in (None, str(file)) else file
        raise SignalError(f"there is no file {where}; give one that 'ckd teacher cache --export' wrote") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise SignalError(f"{file} cannot be read as a store ({reason}); export it again") from error
