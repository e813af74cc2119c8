from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ckd_plugins.errors import EnvironmentProblem, SignalError
from ckd_plugins.signals import Manifest, Store, parquet
from ckd_plugins.signals.parquet import export_store, import_store

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

FORMS = [("factors", "float16"), ("factors", "float32"), ("factors", "int8"), ("topk", "float32"), ("dense", "float16")]
FORMS += [("listed", "float16"), ("listed", "int8")]


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def left(folder: Path) -> list[str]:
    """Whatever lies below a folder, but for empty lock files."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


@pytest.fixture
def exported(tmp_path: Path, world, write_store) -> Path:
    return export_store(write_store(tmp_path / "from" / "s", world, "factors", "float16"), tmp_path / "s.parquet")


def rewritten(file: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    table = pq.read_table(file)
    other = change(table)
    pq.write_table(other.replace_schema_metadata(other.schema.metadata or None), file)
    return file


@pytest.mark.parametrize("numbers", [1 << 24, 12])
@pytest.mark.parametrize(("kind", "dtype"), FORMS)
def test_an_imported_store_has_the_same_bytes(tmp_path, world, write_store, monkeypatch, kind, dtype, numbers):
    """Another rounding, order or time stamp would make it another store; blocks must join seamlessly."""
    monkeypatch.setattr(parquet, "_NUMBERS", numbers)
    path = write_store(tmp_path / "from" / "s", world, kind, dtype)
    export_store(path, tmp_path / "s.parquet")
    there = import_store(tmp_path / "s.parquet", tmp_path / "to")
    assert there == tmp_path / "to" / "s"
    assert content(there) == content(path)
    assert left(tmp_path / "to") == sorted(f"s/{name}" for name in content(path))
    assert import_store(tmp_path / "s.parquet", tmp_path / "to") == there  # again, without a word


def test_it_can_be_read_without_this_package(tmp_path, world, exported):
    """Whoever leaves takes the knowledge along: keys, vectors, tokens, and where they came from."""
    table = pq.read_table(exported)
    frame = table.to_pandas()
    rows, items = frame[frame["key"].notna()], frame[frame["item"].notna()]
    np.testing.assert_array_equal(table["key"].drop_null().to_numpy(), world.keys)
    np.testing.assert_array_equal(np.stack(rows["vectors"]), world.vectors.astype(np.float16))
    assert tuple(items["item"]) == world.items
    np.testing.assert_array_equal(np.stack(items["item_vectors"]), world.item_vectors)
    manifest = Manifest.from_json(table.schema.metadata[b"ckd_plugins.manifest"])
    assert (manifest.provenance.teacher, manifest.provenance.weights_hash) == ("unisrec", "w1")


@pytest.mark.parametrize(("kind", "dtype"), FORMS)
def test_another_run_reads_an_imported_store(tmp_path, world, write_store, kind, dtype):
    """Another family or split has other rows in another order, other item numbers, and some that are unknown."""
    path = write_store(tmp_path / "from" / "s", world, kind, dtype)
    imported = Store.open(import_store(export_store(path, tmp_path / "s.parquet"), tmp_path / "to"), verify=True)
    here = Store.open(path).bind(world.keys, world.tokens)
    rows = np.random.default_rng(1).permutation(len(world.keys))[:7]
    keys = np.append(world.keys[rows], np.uint64(99))
    tokens = ["[PAD]", "new", *world.items[::-1]]
    there = imported.bind(keys, tokens)
    assert there.known(torch.arange(8)).tolist() == [True] * 7 + [False]
    scores = there.scores(torch.arange(8), torch.arange(2, 8))
    expected = here.scores(torch.from_numpy(rows), torch.arange(6, 0, -1))
    torch.testing.assert_close(scores[:7], expected, atol=1e-5, rtol=1e-5)
    assert not scores[7].any()


def change_value(table: pa.Table) -> pa.Table:
    vectors = table["vectors"].to_pylist()
    vectors[3][0] = np.float16(0.5)
    kind = table.schema.field("vectors").type
    return table.set_column(1, table.schema.field("vectors"), pa.array(vectors, kind))


def shorten_list(table: pa.Table) -> pa.Table:
    vectors = table["vectors"].to_pylist()
    vectors[3], vectors[4] = vectors[3][:-1], [*vectors[4], vectors[4][0]]
    return table.set_column(1, table.schema.field("vectors"), pa.array(vectors, table.schema.field("vectors").type))


def drop_row(table: pa.Table) -> pa.Table:
    return table.slice(1)


def swap_rows(table: pa.Table) -> pa.Table:
    return table.take([1, 0, *range(2, len(table))])


def widen(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("vectors")
    return table.set_column(at, "vectors", table["vectors"].cast(pa.list_(pa.float32())))


def drop_column(table: pa.Table) -> pa.Table:
    return table.drop_columns(["item_vectors"])


def drop_metadata(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata({})


def no_token(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("item")
    return table.set_column(at, "item", pa.nulls(len(table), pa.string()))


def renamed(name: bytes) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.replace_schema_metadata({**table.schema.metadata, b"ckd_plugins.store": name})


def other_manifest(**changes: object) -> Callable[[pa.Table], pa.Table]:
    """A manifest that is sound in itself and asks for what no store has."""

    def change(table: pa.Table) -> pa.Table:
        from dataclasses import replace

        manifest = replace(Manifest.from_json(table.schema.metadata[b"ckd_plugins.manifest"]), **changes)
        return table.replace_schema_metadata({**table.schema.metadata, b"ckd_plugins.manifest": manifest.to_json()})

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_value, "shard 0 of vectors.npy is damaged"),
        (swap_rows, "keys.npy is damaged"),
        (shorten_list, "a list of 'vectors' has not 4 numbers"),
        (drop_row, "has 15 rows where 10 instances and 6 items belong"),
        (widen, "'vectors' is float32, float16 belongs there"),
        (drop_column, "cannot be read as a store"),
        (drop_metadata, "holds no store"),
        (no_token, "an item has no token"),
        (renamed(b"../../elsewhere"), "no name of a store"),
        (renamed(b".writing"), "no name of a store"),
        (renamed(b""), "no name of a store"),
        (other_manifest(columns={"../x": {"dtype": "float16", "shape": (4,)}}), "cannot be read|needs the array"),
        (other_manifest(rows=10**12), "the manifest is not of a store"),
        (other_manifest(shard_size=0), "has 16 rows"),
    ],
)
def test_a_bad_file_is_one_line_and_leaves_nothing(tmp_path, exported, change, reason):
    """Files come from outside: none may lead out of the cache, or leave half a store that a run would read."""
    file = rewritten(exported, change)
    with pytest.raises(SignalError, match=reason) as caught:
        import_store(file, tmp_path / "to" / "signals")
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert left(tmp_path / "to") == []
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "to") == ["from", "s.parquet"]


def test_lists_beside_vectors_are_checked(tmp_path, world, write_store):
    """An index that no item has, in a file with checksums of its own, would read behind the items' end in training."""
    exported = export_store(write_store(tmp_path / "from" / "s", world, "listed"), tmp_path / "s.parquet")

    def change(table: pa.Table) -> pa.Table:
        at, ids = table.schema.get_field_index("top_ids"), table["top_ids"].to_pylist()
        ids[3][0] = 6
        return table.set_column(at, "top_ids", pa.array(ids, table.schema.field("top_ids").type))

    with pytest.raises(SignalError, match=r"ids must lie in \[-1, 6\)"):
        import_store(rewritten(exported, change), tmp_path / "to")
    assert left(tmp_path / "to") == []


def test_no_column_becomes_a_file_elsewhere(tmp_path, exported):
    """A column's name is a file's name: '../x' would be written beside the store."""
    from ckd_plugins.signals import Column

    def change(table: pa.Table) -> pa.Table:
        manifest = Manifest.from_json(table.schema.metadata[b"ckd_plugins.manifest"])
        columns = {**manifest.columns, "../x": Column("float16", (4,))}
        return other_manifest(columns=columns)(table.append_column("../x", table["vectors"]))

    with pytest.raises(SignalError, match="is not of a store"):
        import_store(rewritten(exported, change), tmp_path / "to")
    assert left(tmp_path / "to") == []


@pytest.mark.parametrize("cut", [0, 3, 200, -8, -1])
def test_a_truncated_file_is_one_line(tmp_path, exported, cut):
    """A download that broke off."""
    exported.write_bytes(exported.read_bytes()[:cut])
    with pytest.raises(SignalError, match="cannot be read as a store") as caught:
        import_store(exported, tmp_path / "to")
    assert "\n" not in str(caught.value)
    assert left(tmp_path / "to") == []


def test_a_flipped_byte_never_becomes_another_store(tmp_path, world, exported):
    """Wherever it lies, the import fails or gives the same bytes: pages, schema, and metadata are all covered."""
    good, rng = exported.read_bytes(), np.random.default_rng(0)
    reference, failed = content(tmp_path / "from" / "s"), 0
    for number, at in enumerate(rng.choice(len(good), 60, replace=False)):
        bad = bytearray(good)
        bad[at] ^= 1 << int(rng.integers(8))
        exported.write_bytes(bad)
        try:
            there = import_store(exported, tmp_path / f"to{number}")
        except SignalError:
            failed += 1
            assert left(tmp_path / f"to{number}") == []
        else:
            assert content(there) == reference
    assert failed > 30


def test_a_store_that_is_there_is_not_overwritten_but_a_damaged_one_is(tmp_path, world, write_store, exported):
    """The cache's own knowledge is worth hours; a damaged copy of the same is worth nothing."""
    path = write_store(tmp_path / "to" / "s", world, "factors", "float32")
    before = content(path)
    with pytest.raises(SignalError, match="is there and is another one"):
        import_store(exported, tmp_path / "to")
    assert content(path) == before
    there = import_store(exported, tmp_path / "again")
    (there / "vectors.npy").write_bytes(b"short")
    assert content(import_store(exported, tmp_path / "again")) == content(tmp_path / "from" / "s")


def test_memory_of_an_import_is_that_of_a_block(tmp_path, world_of, write_store, monkeypatch):
    """Pyarrow keeps all that it has read unless told otherwise: 6 GB of a large store, held to the end."""
    world = world_of(rows=20_000, width=100)  # 4 MB of fp16, in 20 blocks
    monkeypatch.setattr(parquet, "_NUMBERS", 100_000)
    path = write_store(tmp_path / "s", world, "factors", "float16", shard_size=20_000)
    file = export_store(path, tmp_path / "s.parquet")
    before, held, write = pa.total_allocated_bytes(), [0], parquet.write_rows

    def noted(*arguments: object) -> str:
        held.append(pa.total_allocated_bytes() - before)
        return write(*arguments)

    monkeypatch.setattr(parquet, "write_rows", noted)
    import_store(file, tmp_path / "to")
    assert 0 < max(held) < 1_500_000


def test_what_a_killed_import_left_stands_in_no_ones_way(tmp_path, exported):
    """Killed in the middle: nothing is there for a reader, and the next import begins anew."""
    half = tmp_path / "to" / ".writing" / "s.import"
    half.mkdir(parents=True)
    (half / "vectors.npy").write_bytes(b"half")
    with pytest.raises(SignalError, match="there is no store"):
        Store.open(tmp_path / "to" / "s")
    assert content(import_store(exported, tmp_path / "to")) == content(tmp_path / "from" / "s")
    assert not half.exists()


def test_a_damaged_store_is_not_exported(tmp_path, world, write_store):
    """Parquet's own checksums would vouch for what was already wrong."""
    path = write_store(tmp_path / "s", world)
    data = bytearray((path / "vectors.npy").read_bytes())
    data[-1] ^= 1
    (path / "vectors.npy").write_bytes(data)
    (tmp_path / "s.parquet").write_bytes(b"older")
    with pytest.raises(SignalError, match=r"shard 2 of vectors\.npy is damaged"):
        export_store(path, tmp_path / "s.parquet")
    assert (tmp_path / "s.parquet").read_bytes() == b"older"


def test_an_export_that_fails_leaves_what_was_there(tmp_path, world, write_store, monkeypatch):
    """A full disk in the middle must not leave half a file under the name, or beside it."""
    path = write_store(tmp_path / "s", world)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "s.parquet").write_bytes(b"older")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SignalError, match="No space left on device"):
        export_store(path, tmp_path / "out" / "s.parquet")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["s.parquet"]
    assert (tmp_path / "out" / "s.parquet").read_bytes() == b"older"


def test_without_pyarrow_the_extra_is_named(tmp_path, world, write_store, monkeypatch):
    """An ImportError's traceback does not say which extra to install."""
    path = write_store(tmp_path / "s", world)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(EnvironmentProblem, match=r"ckd-plugins\[parquet\]"):
        export_store(path, tmp_path / "s.parquet")
    with pytest.raises(EnvironmentProblem, match=r"ckd-plugins\[parquet\]"):
        import_store(tmp_path / "s.parquet", tmp_path)


def test_a_missing_file_is_one_line(tmp_path):
    """The first mistake that is made."""
    with pytest.raises(SignalError, match=r"there is no file .*none\.parquet"):
        import_store(tmp_path / "none.parquet", tmp_path / "to")
