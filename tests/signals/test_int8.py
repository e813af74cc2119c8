from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import FactorSignal, Layout, Store, layout
from ckd_plugins.signals.int8 import to_int8

vectors = st.tuples(st.integers(1, 5), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-(2.0**60), 2.0**60, width=32))
)


@settings(max_examples=150, deadline=None)
@given(exact=vectors)
def test_no_value_moves_by_more_than_half_a_scale(exact):
    """What the docs promise; a scale of the batch and not of the vector would break it for small vectors."""
    codes, scales = to_int8(exact)
    assert (codes.dtype, scales.dtype, scales.shape) == (np.int8, np.float32, exact.shape[:1])
    moved = np.abs(codes * scales.astype(np.float64)[:, None] - exact.astype(np.float64))
    # A denormal scale is itself rounded, by 2^-150 at most, and 127 steps of it with it.
    assert (moved <= (0.5 + 1e-5) * scales.astype(np.float64)[:, None] + 127 * 2.0**-149).all()


def test_zeros_stay_zeros():
    """A division by a scale of 0 would teach NaN."""
    codes, scales = to_int8(np.zeros((2, 3)))
    assert not codes.any()
    assert not scales.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
def test_what_is_not_finite_is_refused(bad):
    """A NaN would become some integer without a word."""
    with pytest.raises(SignalError, match="shard 3: vectors hold NaN"):
        to_int8(np.array([[1.0, bad]]), "shard 3")


def test_a_store_of_int8_scores_as_its_vectors_do(tmp_path, world, write_store):
    """Codes without their scales would rank by length: written, read and bound, the scores must be the codes' own."""
    store = Store.open(write_store(tmp_path / "s", world, "factors", "int8"), verify=True)
    codes, scales = to_int8(world.vectors)
    kept = codes * scales.astype(np.float64)[:, None]
    rows = np.random.default_rng(0).permutation(len(world.keys))
    signal = store.bind(world.keys[rows], world.tokens)
    scores = signal.scores(torch.arange(len(rows)), torch.arange(1, 7)).numpy()
    np.testing.assert_allclose(scores, (kept @ world.item_vectors.T.astype(np.float64))[rows], atol=1e-5)


def test_unknown_rows_score_zero_in_int8(tmp_path, world, write_store):
    """Row -1 would otherwise lend its vector."""
    signal = Store.open(write_store(tmp_path / "s", world, "factors", "int8")).bind(
        np.array([0, world.keys[1]], np.uint64), world.tokens
    )
    scores = signal.scores(torch.arange(2), torch.arange(1, 7))
    assert not scores[0].any()
    assert scores[1].any()


def test_int8_is_half_the_bytes_of_fp16(tmp_path, world_of, write_store):
    """The reason for it: 300 d with the scale are 304 bytes and not 600."""
    world = world_of(rows=20, width=300)
    sizes = {
        dtype: sum(
            file.stat().st_size - 128
            for file in write_store(tmp_path / dtype, world, "factors", dtype).glob("*.npy")
            if file.stem in ("vectors", "codes", "scales")
        )
        for dtype in ("float16", "int8")
    }
    assert sizes == {"float16": 20 * 600, "int8": 20 * 304}


def test_a_store_is_of_one_dtype(tmp_path, world, write_store):
    """The second run asked for other numbers than are there: it must not go on with the first's."""
    path = write_store(tmp_path / "s", world, "factors", "int8")
    with pytest.raises(SignalError, match="its codes is"):
        write_store(path, world, "factors", "float16")
    again = write_store(path, world, "factors", "float16", replace=True)
    assert set(Store.open(again).manifest.columns) == {"vectors"}


def test_codes_without_scales_are_no_vectors():
    """Half of the pair would be read as a teacher of integers."""
    with pytest.raises(SignalError, match="needs the array 'vectors'"):
        layout.check_kind("factors", {"codes", "item_vectors"}, "store")
    layout.check_kind("factors", {"codes", "scales", "item_vectors"}, "store")
    with pytest.raises(SignalError, match=r"scales \(3,\) must be \[2\]"):
        FactorSignal(
            torch.ones(2, 4, dtype=torch.int8),
            torch.ones(5, 4),
            torch.arange(2),
            torch.arange(5),
            name="t",
            temperature=1.0,
            scales=torch.ones(3),
        )


def test_a_shard_may_bring_codes_of_its_own(tmp_path, world, provenance):
    """Workers that quantise where they encode send half the bytes."""
    from ckd_plugins.signals import StoreWriter

    form = Layout.factors(world.item_vectors, "int8")
    with StoreWriter(tmp_path / "s", provenance, form, keys=world.keys, items=world.items) as writer:
        for shard in writer.pending():
            codes, scales = to_int8(world.vectors[shard.rows])
            writer.write(shard, codes=codes, scales=scales)
    Store.open(tmp_path / "s", verify=True)
