"""Lists and log-sum-exps beside vectors, against the softmax over all items in float64."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import Layout, Store, StoreWriter, best
from ckd_plugins.signals.base import LOG_ZERO
from ckd_plugins.signals.int8 import to_int8

N, ITEMS, ROWS = 5, 23, 30


@pytest.fixture(params=["float16", "float32", "int8"])
def dtype(request):
    return request.param


@pytest.fixture
def stored(tmp_path, world_of, provenance, dtype, monkeypatch):
    """A world, its store with lists, and what the stored vectors are in float64."""
    monkeypatch.setattr(best, "_BLOCK_BYTES", 4 * ITEMS * 3)  # three rows at a time, and shards of seven
    world = world_of(rows=ROWS, items=ITEMS, width=8)
    store = Store.open(write(tmp_path / "s", world, provenance, dtype), verify=True)
    if dtype == "int8":
        codes, scales = to_int8(world.vectors)
        return world, store, codes.astype(np.float64) * scales.astype(np.float64)[:, None]
    return world, store, world.vectors.astype(dtype).astype(np.float64)


def write(path, world, provenance, dtype, top=N, shards=None, **options):
    layout = Layout.factors(world.item_vectors, dtype, top)
    given = {"keys": world.keys, "items": world.items, "shard_size": 7, "created": "2026-01-01T00:00:00Z", **options}
    with StoreWriter(path, provenance, layout, **given) as writer:
        for shard in list(writer.pending())[:shards]:
            writer.write(shard, vectors=world.vectors[shard.rows])
    return path


def run_of(world, store):
    """Bound to rows in another order, one unknown, and to items in another order with one unknown."""
    order = np.random.default_rng(1).permutation(ROWS)
    keys = np.append(world.keys[order], np.uint64(99))
    tokens = ["[PAD]", "new", *world.items[::-1]]
    return store.bind(keys, tokens), order


def reference(world, vectors, order, temperature):
    """Log-probabilities ``[R, 25]`` by the run's ids, from the equation."""
    scores = vectors[order] @ world.item_vectors.astype(np.float64).T / temperature
    top = scores.max(axis=1, keepdims=True)
    log_probs = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    return np.concatenate([np.full((ROWS, 2), -np.inf), log_probs[:, ::-1]], axis=1)


def test_log_probabilities_are_those_of_the_softmax_over_all_items(stored):
    """Guards against a total of other rows or items, of raw scores, or of vectors that were not yet rounded."""
    world, store, vectors = stored
    signal, order = run_of(world, store)
    wanted = reference(world, vectors, order, signal.temperature)
    every = torch.arange(ITEMS + 2)
    for candidates in (every, every.expand(ROWS + 1, -1)):
        found = signal.log_probs(torch.arange(ROWS + 1), candidates)
        np.testing.assert_allclose(found[:-1, 2:], wanted[:, 2:], atol=2e-4)
        assert (found[-1] == LOG_ZERO).all()
        assert (found[:, :2] == LOG_ZERO).all()


def test_lists_are_the_best_in_order_and_the_rest_is_what_is_left(stored):
    """Guards against stored numbers of items, and against mass that counts the list or leaves out the tail."""
    world, store, vectors = stored
    signal, order = run_of(world, store)
    log_probs = reference(world, vectors, order, signal.temperature)
    probs = np.exp(log_probs)
    found = signal.best(torch.arange(ROWS + 1), N)
    assert found.dtype == torch.int64
    assert found[:-1].tolist() == np.argsort(-probs, axis=1)[:, :N].tolist()
    assert not found[-1].any()
    assert torch.equal(signal.best(torch.arange(ROWS), 2), found[:-1, :2])
    listed = signal.listed(torch.arange(ROWS + 1))
    assert torch.equal(listed.items, found)
    at = found[:-1].numpy()
    np.testing.assert_allclose(listed.log_probs[:-1], np.take_along_axis(log_probs, at, 1), rtol=1e-5, atol=2e-4)
    assert (listed.log_probs[-1] == LOG_ZERO).all()
    np.testing.assert_allclose(listed.outside, [*(1 - np.take_along_axis(probs, at, 1).sum(axis=1)), 1.0], atol=1e-4)


def test_another_temperature_has_other_probabilities(stored):
    """`ckd.teacher_temperature` on a stored log-sum-exp gave what is no distribution."""
    world, store, _ = stored
    signal, _ = run_of(world, store)
    rows, candidates = torch.arange(4), torch.arange(1, 4)
    assert signal.log_probs(rows, candidates) is not None
    signal.temperature *= 2
    assert signal.log_probs(rows, candidates) is None
    assert signal.listed(rows) is None
    assert signal.best(rows, 2) is not None


def test_scores_on_the_list_are_those_that_are_read(stored):
    """'Exact' means: of the product of the stored vectors, so that a list and a product may be mixed in one softmax."""
    world, store, _ = stored
    arrays = store.arrays()
    signal = store.bind(world.keys, world.tokens)
    read = signal.scores(torch.arange(ROWS), torch.from_numpy(arrays["top_ids"]).long() + 1)
    np.testing.assert_allclose(arrays["top_scores"], read, rtol=1e-5, atol=1e-6)


def test_longer_lists_than_are_stored_are_not_made_up(stored, tmp_path, world_of, provenance):
    """A list of six of which five are known would end in an item that is not the sixth."""
    world, store, _ = stored
    signal = store.bind(world.keys, world.tokens)
    assert signal.best(torch.arange(2), N + 1) is None
    small = world_of(rows=4, items=3)
    whole = Store.open(write(tmp_path / "small", small, provenance, "float32", top=100)).bind(small.keys, small.tokens)
    found = whole.best(torch.arange(4), N)
    assert torch.equal(found[:, 3:], torch.zeros(4, 2, dtype=torch.int64))  # all items are listed: nothing is missing
    assert found[:, :3].sort().values.tolist() == [[1, 2, 3]] * 4
    torch.testing.assert_close(whole.listed(torch.arange(4)).outside, torch.zeros(4), atol=1e-6, rtol=0)


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: [*t[:-1], t[-2]], lambda t: [*t, t[-1]]])
def test_another_catalogue_has_other_probabilities(stored, change):
    """A run without one of the items, or with one twice: the stored total is of other items, and must not be used."""
    world, store, _ = stored
    signal, rows = store.bind(world.keys, change(list(world.tokens))), torch.arange(3)
    assert signal.best(rows, 2) is None
    assert signal.log_probs(rows, torch.arange(4)) is None
    assert signal.listed(rows) is None


def test_a_store_without_lists_knows_none(tmp_path, world, write_store):
    """Yesterday's stores are read as they were."""
    signal = Store.open(write_store(tmp_path / "s", world)).bind(world.keys, world.tokens)
    rows = torch.arange(2)
    assert (signal.best(rows, 1), signal.log_probs(rows, rows), signal.listed(rows)) == (None, None, None)


def test_interrupted_and_resumed_gives_the_same_bytes(tmp_path, world_of, provenance, dtype):
    """Blocks that depended on where a writer stopped, or on its threads, would give other last bits."""
    world = world_of(rows=ROWS, items=ITEMS, width=300)
    whole, path = write(tmp_path / "whole", world, provenance, dtype), tmp_path / "s"
    write(path, world, provenance, dtype, shards=2)
    assert not path.exists()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        write(path, world, provenance, dtype)
    finally:
        torch.set_num_threads(threads)
    files = {file.name: file.read_bytes() for file in whole.iterdir()}
    assert {"top_ids.npy", "top_scores.npy", "logsumexp.npy"} < set(files)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == files


def test_a_store_with_other_lists_is_another_one(tmp_path, world_of, provenance):
    """A run that asks for 100 must not go on with a store of 10."""
    world = world_of(rows=ROWS, items=ITEMS)
    path = write(tmp_path / "s", world, provenance, "float16")
    with pytest.raises(SignalError, match=r"its shape is \(5,\), here it is \(2,\)"):
        write(path, world, provenance, "float16", top=2)


@pytest.mark.parametrize("name", ["top_ids", "top_scores", "logsumexp"])
def test_damage_is_found(tmp_path, world_of, provenance, name):
    """A flipped byte in a list teaches another item."""
    path = write(tmp_path / "s", world_of(rows=ROWS, items=ITEMS), provenance, "float16")
    data = bytearray((path / f"{name}.npy").read_bytes())
    data[-1] ^= 1
    (path / f"{name}.npy").write_bytes(data)
    with pytest.raises(SignalError, match=f"shard 4 of {name}.npy is damaged"):
        Store.open(path)


def test_scores_exist_for_a_block_of_rows_only(world, monkeypatch):
    """A shard's scores of a large catalogue do not fit memory: 65,536 rows times 100,000 items are 26 GB."""
    monkeypatch.setattr(best, "_BLOCK_BYTES", 4 * 6 * 4)
    seen, topk = [], torch.Tensor.topk

    def noted(scores, *arguments, **options):
        seen.append(len(scores))
        return topk(scores, *arguments, **options)

    monkeypatch.setattr(torch.Tensor, "topk", noted)
    best.find_best(world.vectors, None, world.item_vectors, 1.0, 2)
    assert seen == [4, 4, 2]


def test_a_list_of_nothing_is_refused():
    """It would be found out after the teacher was asked."""
    with pytest.raises(SignalError, match="top is 0; a list needs at least one item"):
        Layout.factors(np.ones((3, 2)), top=0)


def test_writing_without_lists_needs_no_torch(tmp_path):
    """Workers that write vectors start in a tenth of a second; torch takes seconds."""
    program = (
        "import sys, numpy as np\n"
        "from ckd_plugins.signals import Layout, Provenance, StoreWriter\n"
        "names = ('teacher', 'dataset', 'weights_hash', 'data_hash', 'split_hash', 'text_hash')\n"
        "source = Provenance(max_length=5, temperature=1.0, **dict.fromkeys(names, 'x'))\n"
        "layout, keys = Layout.factors(np.ones((2, 3))), np.arange(1, 4, dtype=np.uint64)\n"
        "with StoreWriter(sys.argv[1], source, layout, keys=keys, items=['a', 'b']) as writer:\n"
        "    for shard in writer.pending(): writer.write(shard, vectors=np.ones((3, 3)))\n"
        "assert writer.finished and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "s")], check=True)
