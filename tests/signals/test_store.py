from __future__ import annotations

import random
import shutil
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import DenseSignal, FactorSignal, Layout, Store, StoreWriter, TopKSignal, store

KINDS = ["factors", "topk", "dense"]


@pytest.mark.parametrize(("kind", "form"), [("factors", FactorSignal), ("topk", TopKSignal), ("dense", DenseSignal)])
def test_what_was_written_is_read(tmp_path, world, write_store, kind, form):
    """Shards, the last one shorter, must come back in their places; name and temperature with them."""
    opened = Store.open(write_store(tmp_path / "s", world, kind), verify=True)
    signal = opened.bind(world.keys, world.tokens)
    assert isinstance(signal, form)
    assert (signal.name, signal.temperature, len(opened)) == ("unisrec", 0.07, 10)
    scores = signal.scores(torch.arange(10), torch.arange(1, 7))
    np.testing.assert_allclose(scores.numpy(), world.table, atol=1e-5)
    assert str(opened.manifest.provenance.teacher) in repr(opened)


def test_policy_of_lists_is_passed_on(tmp_path, world, write_store):
    """A policy that bind dropped would fall back to the default silently."""
    signal = Store.open(write_store(tmp_path / "s", world, "topk")).bind(
        world.keys, world.tokens, outside="mask", margin=3.0
    )
    assert isinstance(signal, TopKSignal)
    assert (signal.outside, signal.margin) == ("mask", 3.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_byte_anywhere_is_found(tmp_path, world, write_store, kind):
    """A bad disk or a broken copy must stop the run, not teach noise."""
    path = write_store(tmp_path / "s", world, kind)
    rng = random.Random(0)
    for file in sorted(path.iterdir()):
        good = file.read_bytes()
        for at in {0, len(good) - 1, *(rng.randrange(len(good)) for _ in range(25))}:
            bad = bytearray(good)
            bad[at] ^= 1 << rng.randrange(8)
            file.write_bytes(bad)
            with pytest.raises(SignalError):
                Store.open(path)
        file.write_bytes(good)
    Store.open(path)


def test_the_damaged_shard_is_named(tmp_path, world, write_store):
    """Whoever looks at a disk's errors needs the file and the place."""
    path = write_store(tmp_path / "s", world)
    data = bytearray((path / "vectors.npy").read_bytes())
    data[-1] ^= 1
    (path / "vectors.npy").write_bytes(data)
    with pytest.raises(SignalError, match=r"shard 2 of vectors\.npy is damaged.*ckd teacher cache unisrec"):
        Store.open(path)


@pytest.mark.parametrize("verify", [False, "auto", True])
@pytest.mark.parametrize("name", ["vectors.npy", "keys.npy", "item_vectors.npy", "items.json", "manifest.json"])
def test_truncated_and_missing_files_are_found_without_checksums_too(tmp_path, world, write_store, name, verify):
    """A copy that was cut short is the commonest damage, and reading behind a map's end kills the process."""
    path = write_store(tmp_path / "s", world)
    good = (path / name).read_bytes()
    (path / name).write_bytes(good[: len(good) // 2])
    with pytest.raises(SignalError):
        Store.open(path, verify=verify)
    (path / name).unlink()
    with pytest.raises(SignalError):
        Store.open(path, verify=verify)


def test_large_stores_are_verified_on_request(tmp_path, world, write_store, monkeypatch):
    """Hashing 6 GB at every start would cost more than the reading; asked for, it must still be done."""
    path = write_store(tmp_path / "s", world)
    data = bytearray((path / "vectors.npy").read_bytes())
    data[-1] ^= 1
    (path / "vectors.npy").write_bytes(data)
    monkeypatch.setattr(store, "VERIFY_BYTES", 0)
    opened = Store.open(path)
    with pytest.raises(SignalError, match="damaged"):
        opened.verify()
    with pytest.raises(SignalError, match="damaged"):
        Store.open(path, verify=True)


def test_store_of_another_run_is_refused(tmp_path, world, write_store):
    """Old weights' knowledge read in a new run would be reported as the new teacher's."""
    path = write_store(tmp_path / "s", world)
    Store.open(path, {"weights_hash": "w1", "max_length": 50})
    with pytest.raises(SignalError, match=r"weights_hash is 'w1' and this run needs 'w2'; rebuild it with 'ckd teach"):
        Store.open(path, {"weights_hash": "w2"})


def test_a_missing_store_says_how_to_make_one(tmp_path):
    """The first thing that a new user meets."""
    with pytest.raises(SignalError, match="ckd teacher cache"):
        Store.open(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(SignalError, match="is a folder"):
        Store.open(tmp_path / "file")


def test_store_that_knows_nothing_of_the_run_is_refused(tmp_path, world, write_store):
    """Keys of another history length match nowhere: every row masked is training without a teacher, unnoticed."""
    opened = Store.open(write_store(tmp_path / "s", world))
    with pytest.raises(SignalError, match="none of this run's 10 rows"):
        opened.bind(world.keys + np.uint64(1), world.tokens)
    with pytest.raises(SignalError, match="none of this run's 2 items"):
        opened.bind(world.keys, ["[PAD]", "domain/i0"])
    with pytest.raises(SignalError, match="must be uint64"):
        opened.bind(world.keys.astype(np.int64), world.tokens)
    assert len(opened.bind(world.keys[:0], world.tokens)) == 0


def test_coverage_counts_what_is_known(tmp_path, world, write_store):
    """A teacher that knows a tenth of the rows is a finding, to be printed before the training."""
    opened = Store.open(write_store(tmp_path / "s", world))
    keys = np.concatenate([world.keys[:3], np.array([0, 99], np.uint64)])
    coverage = opened.coverage(keys, ["[PAD]", None, "new", *world.items[:4]])
    assert str(coverage) == "3 of 5 rows, 4 of 5 items"


def test_a_store_can_be_moved(tmp_path, world, write_store):
    """Stores are made on one machine and read on another: nothing in them may name a path."""
    path = write_store(tmp_path / "s", world)
    shutil.move(path, tmp_path / "elsewhere")
    Store.open(tmp_path / "elsewhere").bind(world.keys, world.tokens)


def test_open_store_outlives_its_replacement(tmp_path, world, write_store, provenance):
    """A student in training must go on with what it opened, and the next one get the new store."""
    path = write_store(tmp_path / "s", world)
    old = Store.open(path).bind(world.keys, world.tokens)
    other = replace(world, vectors=world.vectors + 1)
    write_store(path, other, provenance=replace(provenance, weights_hash="w2"), replace=True)
    rows, candidates = torch.arange(10), torch.arange(1, 7)
    new = Store.open(path).bind(world.keys, world.tokens)
    np.testing.assert_allclose(old.scores(rows, candidates).numpy(), world.table, atol=1e-5)
    np.testing.assert_allclose(new.scores(rows, candidates).numpy(), other.table, atol=1e-5)


def test_a_store_that_is_replaced_while_it_is_opened_is_opened_again(
    tmp_path, world, write_store, provenance, monkeypatch
):
    """The old manifest with the new vectors would be half of each."""
    path = write_store(tmp_path / "s", world)
    map_whole, replaced = Store._map.__func__, []

    def replace_first(cls, folder, manifest):
        if not replaced:
            replaced.append(1)
            other = replace(world, vectors=world.vectors + 1)
            write_store(path, other, provenance=replace(provenance, weights_hash="w2"), replace=True)
        return map_whole(cls, folder, manifest)

    monkeypatch.setattr(Store, "_map", classmethod(replace_first))
    opened = Store.open(path, verify=False)
    assert opened.manifest.provenance.weights_hash == "w2"
    opened.verify()


def test_vectors_are_mapped_and_not_loaded(tmp_path, provenance):
    """10 M instances are 6 GB: a reader that loads them stops fitting beside the student."""
    rows, width = 2**16, 512
    keys = np.arange(1, rows + 1, dtype=np.uint64)
    layout = Layout.factors(np.ones((2, width)))
    with StoreWriter(tmp_path / "s", provenance, layout, keys=keys, items=["a", "b"], shard_size=8192) as writer:
        for shard in writer.pending():
            writer.write(shard, vectors=np.full((8192, width), shard.index, np.float16))

    def own_memory() -> int:  # mapped pages count as resident too, but belong to the system's cache
        info = psutil.Process().memory_info()
        return info.rss - getattr(info, "shared", 0)

    before = own_memory()
    signal = Store.open(tmp_path / "s", verify=False).bind(keys, ["[PAD]", "a", "b"])
    batch = torch.arange(0, rows, 1024)
    assert signal.scores(batch, torch.tensor([1]))[:, 0].tolist() == [width * (r // 8192) for r in batch.tolist()]
    assert own_memory() - before < 16 << 20  # of 64 MB
