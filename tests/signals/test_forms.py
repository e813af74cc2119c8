"""What must hold for all three forms alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ckd_plugins.signals import DenseSignal, FactorSignal, Layout, Signal, Store, StoreWriter, TopKSignal
from ckd_plugins.signals.int8 import to_int8

KINDS = ["factors", "topk", "dense"]

worlds = st.tuples(st.integers(1, 9), st.integers(1, 7), st.integers(1, 5), st.integers(0, 99))


def forms(world) -> list[Signal]:
    """The same knowledge in three forms; item 0 is padding."""
    pad = np.zeros((1, world.vectors.shape[1]), np.float32)
    item_vectors = torch.from_numpy(np.concatenate([pad, world.item_vectors]))
    vectors, lists = torch.from_numpy(world.vectors), world.rows("topk", np.arange(len(world.keys)))
    ids, listed = torch.from_numpy(lists["ids"]) + 1, torch.from_numpy(lists["scores"])
    return [
        FactorSignal.from_arrays(vectors, item_vectors),
        DenseSignal.from_arrays(vectors @ item_vectors.T),
        TopKSignal.from_arrays(ids, listed, len(item_vectors)),
        TopKSignal.from_arrays(ids, listed, len(item_vectors), outside="mask"),
    ]


def draw_batch(data: st.DataObject, world, per_row: bool) -> tuple[torch.Tensor, torch.Tensor]:
    rows = data.draw(st.lists(st.integers(0, len(world.keys) - 1), min_size=1, max_size=6))
    width = data.draw(st.integers(1, 8))
    n = width * len(rows) if per_row else width
    candidates = torch.tensor(data.draw(st.lists(st.integers(0, len(world.items)), min_size=n, max_size=n)))
    return torch.tensor(rows), candidates.view(len(rows), -1) if per_row else candidates


@settings(max_examples=60, deadline=None)
@given(shape=worlds, data=st.data(), per_row=st.booleans())
def test_three_forms_agree_on_the_candidates_they_share(world_of: Callable, shape, data, per_row):
    """A store's form must not change what a student learns; repeated candidates and padding included."""
    world = world_of(*shape)
    rows, candidates = draw_batch(data, world, per_row)
    table = torch.nn.functional.pad(torch.from_numpy(world.table), (1, 0))
    expected = table[rows][:, candidates] if candidates.ndim == 1 else table[rows].gather(1, candidates)
    for signal in forms(world):
        scores = signal.scores(rows, candidates)
        torch.testing.assert_close(scores, expected, atol=1e-5, rtol=1e-5)
        assert scores.dtype == torch.float32
        assert torch.equal(signal.known_items(candidates), candidates > 0)
        assert signal.known(rows).all()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=worlds, seed=st.integers(0, 99))
def test_another_numbering_gives_the_same_scores(tmp_path_factory, world_of, write_store, kind, shape, seed):
    """RecBole numbers items anew in every run: a store that depended on it would teach the wrong items."""
    world = world_of(*shape)
    store = Store.open(write_store(tmp_path_factory.mktemp("s") / "store", world, kind))
    rng = np.random.default_rng(seed)
    rows, items = rng.permutation(len(world.keys)), rng.permutation(len(world.tokens))
    plain = store.bind(world.keys, world.tokens)
    other = store.bind(world.keys[rows], [world.tokens[i] for i in items])
    everything = torch.arange(len(rows)), torch.arange(len(items))
    expected = plain.scores(*everything)[torch.from_numpy(rows)][:, torch.from_numpy(items)]
    # Not bit for bit: a product's last bit depends on where in the matrix a row stands.
    torch.testing.assert_close(other.scores(*everything), expected, atol=1e-5, rtol=1e-5)
    assert other.known_items(everything[1]).tolist() == [world.tokens[i] != "[PAD]" for i in items]


def as_stored(vectors: np.ndarray, dtype: str) -> np.ndarray:
    """The vectors that a store of this dtype gives back."""
    if dtype == "int8":
        codes, scales = to_int8(vectors)
        return codes * scales[:, None]
    return vectors.astype(dtype).astype(np.float32)


def shortened(lists: dict[str, np.ndarray], lengths: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """Lists of at most ``k`` items, each of its own length, filled up with -1."""
    ids, scores = lists["ids"][:, :k].copy(), lists["scores"][:, :k].copy()
    rest = np.arange(ids.shape[1]) >= lengths[:, None]
    ids[rest], scores[rest] = -1, 0.0
    return {"ids": ids, "scores": scores}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=worlds,
    dtype=st.sampled_from(["float32", "float16", "int8"]),
    shard_size=st.integers(1, 5),
    per_row=st.booleans(),
    data=st.data(),
)
def test_stores_of_three_forms_agree_wherever_the_list_has_the_candidate(
    tmp_path_factory, monkeypatch, world_of, provenance, shape, dtype, shard_size, per_row, data
):
    """What is on a row's list must score the same in all forms; the rest must be below it, or without an opinion.

    Shards of any size, lists that are shorter than the catalogue and than each other, rows and items that the teacher
    does not know, repeated candidates, and each way of storing vectors.
    """
    plain = world_of(*shape)
    world = replace(plain, vectors=as_stored(plain.vectors, dtype))
    k = data.draw(st.integers(1, len(world.items)))
    lengths = np.array(data.draw(st.lists(st.integers(1, k), min_size=len(world.keys), max_size=len(world.keys))))
    lists = shortened(world.rows("topk", np.arange(len(world.keys))), lengths, k)
    folder, opened = tmp_path_factory.mktemp("s"), {}
    monkeypatch.setattr("os.fsync", lambda handle: None)  # half of the time, and it guards against a power cut only
    for kind in KINDS:
        layout = Layout.topk(k) if kind == "topk" else world.layout(kind, dtype if kind == "factors" else "float32")
        given_ = {"keys": world.keys, "items": world.items, "shard_size": shard_size}
        with StoreWriter(folder / kind, provenance, layout, **given_) as writer:
            for shard in writer.pending():
                own = {n: a[shard.rows] for n, a in lists.items()} if kind == "topk" else world.rows(kind, shard.rows)
                writer.write(shard, **own)
        opened[kind] = Store.open(folder / kind)
    keys, tokens = np.append(world.keys, np.uint64([0, 99])), ("[PAD]", "new", *world.items)
    rows, candidates = draw_batch(data, world, per_row)
    rows = torch.cat([rows[:-1], torch.tensor([data.draw(st.integers(0, len(keys) - 1))])])
    candidates = torch.where(candidates > 0, candidates + data.draw(st.integers(0, 1)), 0)

    factors, dense, floor = (opened[kind].bind(keys, tokens) for kind in ("factors", "dense", "topk"))
    mask = opened["topk"].bind(keys, tokens, outside="mask")
    exact, listed = factors.scores(rows, candidates), mask.known_items(candidates, rows)
    torch.testing.assert_close(dense.scores(rows, candidates), exact, atol=1e-4, rtol=1e-4)
    known = factors.known(rows)[:, None] & factors.known_items(candidates).expand_as(listed)
    at = rows.clamp_max(len(world.keys) - 1).tolist()
    items = candidates.expand_as(listed) - 2
    on_list = torch.tensor(
        [[i >= 0 and i in lists["ids"][r] for i in row] for r, row in zip(at, items.tolist(), strict=True)]
    )
    assert torch.equal(listed, on_list & known)
    for signal in (floor, mask):
        scores = signal.scores(rows, candidates)
        torch.testing.assert_close(scores[listed], exact[listed], atol=1e-4, rtol=1e-4)
        assert not scores[~known].any()
        assert not exact[~known].any()
    assert not mask.scores(rows, candidates)[~listed].any()
    last = torch.tensor([lists["scores"][r, lengths[r] - 1] for r in at])[:, None].expand_as(exact)
    below = known & ~listed
    assert (floor.scores(rows, candidates)[below] < last[below]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_store_does_not_know_is_masked_with_score_zero(tmp_path, world, write_store, kind):
    """An unknown row or item must not borrow the knowledge of the row that an index of -1 would lead to."""
    store = Store.open(write_store(tmp_path / "store", world, kind))
    keys = np.array([0, world.keys[3], 12345], np.uint64)
    signal = store.bind(keys, ["[PAD]", "new", world.items[2], None])
    rows, candidates = torch.arange(3), torch.arange(4)
    assert signal.known(rows).tolist() == [False, True, False]
    assert signal.known_items(candidates).tolist() == [False, False, True, False]
    expected = torch.zeros(3, 4)
    expected[1, 2] = float(world.table[3, 2])
    torch.testing.assert_close(signal.scores(rows, candidates), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(signal.scores(rows, candidates.expand(3, 4)), expected, atol=1e-5, rtol=1e-5)


def test_a_student_under_mixed_precision_does_not_lower_the_teacher(world):
    """RecBole's enable_amp runs the loss under autocast: bfloat16 teacher scores would lose the order of items."""
    rows, candidates = torch.arange(4), torch.arange(5)
    for signal in forms(world):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            lowered = signal.scores(rows, candidates)
        assert torch.equal(lowered, signal.scores(rows, candidates))


def test_scores_carry_no_gradient(world):
    """A teacher is fixed: a graph through its scores would cost memory and, online, move its weights."""
    item_vectors = torch.ones(3, 4, requires_grad=True)
    signal = FactorSignal.from_arrays(torch.from_numpy(world.vectors), item_vectors)
    assert not signal.scores(torch.arange(2), torch.arange(3)).requires_grad
