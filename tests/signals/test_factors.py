from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import FactorSignal, factors


def test_unknown_rows_score_zero():
    """A masked row's zero scores are a uniform distribution under its gate of 0; leftovers would not be."""
    signal = FactorSignal.from_arrays(torch.ones(2, 3), torch.ones(4, 3), known=torch.tensor([True, False]))
    assert signal.scores(torch.tensor([1, 0]), torch.tensor([0, 2])).tolist() == [[0.0, 0.0], [0.0, 3.0]]
    assert signal.known(torch.tensor([1, 0])).tolist() == [False, True]


def test_catalogue_without_padding():
    """A general student without padding would lose its item 0."""
    signal = FactorSignal.from_arrays(torch.ones(1, 3), torch.ones(2, 3), padding=None)
    assert signal.scores(torch.tensor([0]), torch.tensor([0, 1])).tolist() == [[3.0, 3.0]]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-6, 1e3), width=st.integers(1, 300))
def test_error_of_fp16_vectors_is_within_the_bound(seed, scale, width):
    """Rounding to fp16 moves a value by at most 2^-11 of it (2^-25 below 2^-14): more means a lossy step beside it."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((4, width), np.float32) * np.float32(scale)
    item_vectors = rng.standard_normal((6, width), np.float32)
    half = FactorSignal.from_arrays(torch.from_numpy(vectors).half(), torch.from_numpy(item_vectors))
    rows, candidates = torch.arange(4), torch.arange(1, 6)
    v, w = vectors.astype(np.float64), item_vectors[1:].astype(np.float64)
    bound = (np.abs(v) * 2.0**-11 + 2.0**-25) @ np.abs(w).T + width * 2.0**-24 * (np.abs(v) @ np.abs(w).T)
    for batch in (candidates, candidates.expand(4, 5)):
        assert (np.abs(half.scores(rows, batch).numpy() - v @ w.T) <= bound * (1 + 1e-9)).all()


@pytest.mark.parametrize("cost", [0, 48])
def test_rows_own_candidates_are_scored_in_bounded_memory(monkeypatch, cost):
    """[B, C, d] item vectors of a large batch would not fit: blocks must join to the same scores, either way."""
    rng = torch.Generator().manual_seed(0)
    vectors, items = torch.randn(7, 3, generator=rng), torch.randn(9, 3, generator=rng)
    candidates = torch.randint(0, 9, (7, 5), generator=rng)
    monkeypatch.setattr(factors, "_GATHER_COST", cost)
    monkeypatch.setattr(factors, "_BLOCK_BYTES", {"cpu": 2 * 5 * 3 * 4})
    signal = FactorSignal.from_arrays(vectors, items, padding=None)
    whole = (vectors @ items.T).gather(1, candidates)
    torch.testing.assert_close(signal.scores(torch.arange(7), candidates), whole)


@pytest.mark.parametrize(("vectors", "items"), [((2, 3), (4, 2)), ((2,), (4, 2))])
def test_widths_that_differ_are_refused_at_once(vectors, items):
    """Vectors of one teacher with items of another would fail in the first batch, hours later."""
    with pytest.raises(SignalError, match="same d"):
        FactorSignal.from_arrays(torch.ones(vectors), torch.ones(items))


def test_vectors_are_those_whose_products_are_the_scores():
    """Guards against a regression towards vectors of other rows, or towards stored numbers without their scale."""
    rng = torch.Generator().manual_seed(0)
    stored, items = torch.randint(-9, 9, (5, 3), generator=rng).to(torch.int8), torch.randn(4, 3, generator=rng)
    signal = FactorSignal(
        stored,
        items,
        rows=torch.tensor([4, -1, 0, 2]),
        items=torch.tensor([-1, 3, 1]),
        name="t",
        temperature=1.0,
        scales=torch.tensor([0.5, 1.0, 2.0, 3.0, 0.1]),
    )
    rows, candidates = torch.arange(4), torch.tensor([2, 0, 1, 1])
    left, right = signal.vectors(rows, candidates)
    assert signal.width == 3
    torch.testing.assert_close(left @ right.T, signal.scores(rows, candidates))
    assert (left[1] == 0).all()
    assert (right[1] == 0).all()
    known = torch.stack([stored[4] * 0.1, stored[0] * 0.5, stored[2] * 2.0])
    wanted = known.square().sum(1).mean().item(), items[[3, 1]].square().sum(1).mean().item()
    assert signal.mean_squares() == pytest.approx(wanted, rel=1e-6)


def test_the_mean_length_of_many_rows_is_that_of_a_sample(monkeypatch):
    """Reading every vector of a mapped file would take minutes; a sample from its beginning only would be biased."""
    monkeypatch.setattr(factors, "_SAMPLE", 10)
    vectors = torch.arange(1000.0)[:, None]
    asked = []
    signal = FactorSignal.from_arrays(vectors, torch.zeros(3, 1))
    gather = signal._gather
    monkeypatch.setattr(signal, "_gather", lambda rows, device: asked.append(len(rows)) or gather(rows, device))
    mean, _ = signal.mean_squares()
    assert asked == [10]
    assert mean == pytest.approx(float(vectors.square().mean()), rel=0.2)


def test_a_teacher_that_knows_nothing_has_no_length():
    """Guards against a mean of nothing, which is NaN and would reach the student's loss."""
    signal = FactorSignal.from_arrays(torch.ones(2, 3), torch.ones(1, 3), known=torch.zeros(2, dtype=torch.bool))
    assert signal.mean_squares() == (0.0, 0.0)
