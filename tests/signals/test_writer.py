from __future__ import annotations

import os
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import Store, StoreWriter
from ckd_plugins.signals.writer import distinct_keys, write_shard


def content(path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.iterdir()}


def test_duplicates_are_asked_and_stored_once_in_the_order_of_their_first_place(tmp_path, world, write_store):
    """Many rows share a history; and a user's prefixes, listed together, must stay together for a causal teacher."""
    keys = np.array([7, 5, 7, 0, 9, 5, 1], np.uint64)
    stored, rows = distinct_keys(keys)
    assert stored.tolist() == [7, 5, 9, 1]
    assert rows.tolist() == [0, 1, 4, 6]
    store = Store.open(write_store(tmp_path / "s", world, keys=keys))
    assert np.load(tmp_path / "s" / "keys.npy").tolist() == [7, 5, 9, 1]
    assert np.load(tmp_path / "s" / "vectors.npy").tolist() == world.vectors[[0, 1, 4, 6]].tolist()
    assert store.bind(keys, world.tokens).known(torch.arange(7)).tolist() == [True] * 3 + [False] + [True] * 3


def test_resuming_asks_only_for_what_is_missing(tmp_path, world, write_store, provenance):
    """An interrupted caching that began anew would never end on a machine that is often taken away."""
    write_store(tmp_path / "whole", world)
    options = {"keys": world.keys, "items": world.items, "shard_size": 4}
    path = tmp_path / "s"
    with StoreWriter(path, provenance, world.layout("factors"), created="2026-01-01T00:00:00Z", **options) as writer:
        shards = list(writer.pending())
        assert [len(s.rows) for s in shards] == [4, 4, 2]
        writer.write(shards[1], vectors=world.vectors[shards[1].rows])
    assert not writer.finished
    assert not path.exists()
    with pytest.raises(SignalError, match="still being written"):
        Store.open(path)
    with StoreWriter(path, provenance, world.layout("factors"), **options) as writer:
        assert [s.index for s in writer.pending()] == [0, 2]
        for shard in writer.pending():
            writer.write(shard, vectors=world.vectors[shard.rows])
    assert writer.finished
    assert content(path) == content(tmp_path / "whole")


def test_finished_store_is_left_alone(tmp_path, world, write_store, provenance):
    """Running the command again must cost nothing, and must not change what other processes read."""
    path = write_store(tmp_path / "s", world)
    before = content(path)
    with StoreWriter(path, provenance, world.layout("factors"), keys=world.keys, items=world.items, shard_size=4) as w:
        assert w.finished
        assert not list(w.pending())
    assert content(path) == before


def test_error_in_the_teacher_keeps_the_finished_shards(tmp_path, world, write_store, provenance):
    """Out of memory in the last shard must not lose the others, nor publish a store without it."""
    options = {"keys": world.keys, "items": world.items, "shard_size": 4}

    def teacher(rows: np.ndarray) -> np.ndarray:
        if 9 in rows:
            raise MemoryError
        return world.vectors[rows]

    def cache() -> None:
        with StoreWriter(tmp_path / "s", provenance, world.layout("factors"), **options) as writer:
            for shard in writer.pending():
                writer.write(shard, vectors=teacher(shard.rows))

    with pytest.raises(MemoryError):
        cache()
    assert not (tmp_path / "s").exists()
    with StoreWriter(tmp_path / "s", provenance, world.layout("factors"), **options) as writer:
        assert [s.index for s in writer.pending()] == [2]


@pytest.mark.parametrize("interrupted", [False, True])
def test_another_teachers_store_is_replaced_only_on_request(tmp_path, world, write_store, provenance, interrupted):
    """Writing over another's store, or throwing away hours of an interrupted one, must be asked for."""
    path = tmp_path / "s"
    if interrupted:
        with StoreWriter(path, provenance, world.layout("factors"), keys=world.keys, items=world.items, shard_size=4):
            pass
    else:
        write_store(path, world)
    other = replace(provenance, weights_hash="w2")
    with pytest.raises(SignalError, match=r"weights_hash is 'w1', here it is 'w2'; replace=True"):
        write_store(path, world, provenance=other)
    with pytest.raises(SignalError, match="shard_size is 4, here it is 5"):
        write_store(path, world, shard_size=5)
    write_store(path, world, provenance=other, replace=True)
    assert Store.open(path).manifest.provenance == other
    assert os.listdir(tmp_path / ".writing") == ["s.lock"]  # noqa: PTH208


def test_other_items_or_keys_are_another_store(tmp_path, world, write_store):
    """Resuming with renumbered items would put one item's vector under another's token."""
    path = write_store(tmp_path / "s", world)
    with pytest.raises(SignalError, match=r"items\.json is "):
        write_store(path, replace(world, items=world.items[::-1]))
    with pytest.raises(SignalError, match=r"keys\.npy is "):
        write_store(path, world, keys=world.keys[::-1])


def test_a_reader_never_sees_half_a_store(tmp_path, world, write_store, monkeypatch):
    """At every moment of the writing there is either no store or the whole one."""
    path, seen = tmp_path / "s", []
    plain = os.fsync

    def look(handle: int) -> None:
        plain(handle)
        with pytest.raises(SignalError, match=r"no store|still being written"):
            Store.open(path)
        seen.append(path.exists())

    monkeypatch.setattr(os, "fsync", look)
    write_store(path, world)
    assert len(seen) > 8
    assert not any(seen)
    Store.open(path, verify=True)


def test_folder_that_is_no_store_is_not_touched(tmp_path, world, write_store):
    """A mistyped path must not delete what is there, with replace=True least of all."""
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.tex").write_text("x")
    with pytest.raises(SignalError, match="is no store"):
        write_store(tmp_path / "s", world, replace=True)
    assert (tmp_path / "s" / "thesis.tex").exists()


def test_shard_that_is_written_again_is_not_whole_in_between(tmp_path, world, provenance, monkeypatch):
    """A redone shard whose new bytes are half on the disk must not pass under the old checksum."""
    options = {"keys": world.keys, "items": world.items, "shard_size": 4}
    with StoreWriter(tmp_path / "s", provenance, world.layout("factors"), **options) as writer:
        first = next(writer.pending())
        writer.write(first, vectors=world.vectors[first.rows])
        full = Mock(side_effect=OSError("disk full"))
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="full"):
            writer.write(first, vectors=world.vectors[first.rows] + 1)
        monkeypatch.undo()
        assert [s.index for s in writer.pending()] == [0, 1, 2]


def test_workers_of_one_writer_write_their_own_shards(tmp_path, world, write_store, provenance):
    """Shards in any order and from any process of the writer must give the same store."""
    write_store(tmp_path / "whole", world)
    options = {"keys": world.keys, "items": world.items, "shard_size": 4, "created": "2026-01-01T00:00:00Z"}
    with StoreWriter(tmp_path / "s", provenance, world.layout("factors"), **options) as writer:
        for shard in reversed(list(writer.pending())):
            arrays = {"vectors": world.vectors[shard.rows]}
            write_shard(tmp_path / ".writing" / "s", writer.manifest, shard.index, arrays)
    assert content(tmp_path / "s") == content(tmp_path / "whole")


def test_writing_outside_of_the_block_is_refused(tmp_path, world, provenance):
    """Without the lock, two writers would write one file."""
    options = {"keys": world.keys, "items": world.items}
    writer = StoreWriter(tmp_path / "s", provenance, world.layout("factors"), **options)
    with writer:
        shard = next(writer.pending())
    with pytest.raises(SignalError, match="'with' block"):
        writer.write(shard, vectors=world.vectors[shard.rows])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keys": np.zeros(3, np.uint64)}, "no instance has a history"),
        ({"keys": np.ones(3, np.int64)}, "must be uint64"),
        ({"items": []}, "items"),
        ({"items": ["a", "a", "b", "c", "d", "e"]}, "'a' stands 2 times"),
        ({"shard_size": 0}, "at least one row"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_the_teacher_is_asked(tmp_path, world, write_store, options, message):
    """An error after hours of encoding costs hours."""
    with pytest.raises(SignalError, match=message):
        write_store(tmp_path / "s", world, **options)


def test_lists_are_checked_when_they_are_written(tmp_path, world, provenance):
    """A store of lists must not be published with an item that does not exist."""
    with StoreWriter(tmp_path / "s", provenance, world.layout("topk"), keys=world.keys, items=world.items) as writer:
        shard = next(writer.pending())
        lists = world.rows("topk", shard.rows)
        with pytest.raises(SignalError, match="must lie in"):
            writer.write(shard, ids=lists["ids"] + 1, scores=lists["scores"])
