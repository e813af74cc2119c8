from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import TopKSignal

IDS = torch.tensor([[3, 1, -1], [2, 4, 5], [-1, -1, -1]])
LISTED = torch.tensor([[2.0, -1.0, 0.0], [1.0, 3.0, 2.0], [0.0, 0.0, 0.0]])


def signal(**options) -> TopKSignal:
    return TopKSignal.from_arrays(IDS, LISTED, 6, temperature=0.5, **options)


@pytest.mark.parametrize("per_row", [False, True])
def test_floor_lies_below_the_rows_own_list(per_row):
    """A floor of 0 would put unlisted items above listed ones whose scores are negative; a fill is not on the list."""
    candidates = torch.arange(6)
    asked = candidates.expand(2, 6) if per_row else candidates
    scores = signal(margin=2.0).scores(torch.tensor([0, 1]), asked)
    assert scores.tolist() == [[0.0, -1.0, -2.0, 2.0, -2.0, -2.0], [0.0, 0.0, 1.0, 0.0, 3.0, 2.0]]
    assert signal().known_items(candidates, torch.tensor([0, 1])).tolist() == [False] + [True] * 5


@pytest.mark.parametrize("per_row", [False, True])
def test_mask_has_no_opinion_outside_the_list(per_row):
    """Under "mask" an unlisted item must be named unknown for this row, and known for the row that lists it."""
    candidates = torch.arange(6)
    asked = candidates.expand(2, 6) if per_row else candidates
    masked = signal(outside="mask")
    assert masked.known_items(asked, torch.tensor([0, 1])).tolist() == [
        [False, True, False, True, False, False],
        [False, False, True, False, True, True],
    ]
    assert masked.scores(torch.tensor([0, 1]), asked)[0].tolist() == [0.0, -1.0, 0.0, 2.0, 0.0, 0.0]


def test_row_without_a_list_is_unknown():
    """The floor of an empty list is infinite."""
    assert signal().known(torch.arange(3)).tolist() == [True, True, False]
    assert signal().scores(torch.tensor([2]), torch.arange(6)).tolist() == [[0.0] * 6]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 9999), k=st.integers(1, 6), c=st.integers(1, 9), outside=st.sampled_from(["floor", "mask"]))
def test_shared_and_own_candidates_are_found_alike(seed, k, c, outside):
    """Two ways to search a list: they must not disagree on repeated candidates, fills and padding."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.stack([torch.randperm(8, generator=rng)[:k] for _ in range(5)])
    ids[:, 1:][torch.rand(5, k - 1, generator=rng) < 0.3] = -1
    lists = TopKSignal.from_arrays(ids, torch.randn(5, k, generator=rng), 8, outside=outside)
    rows, candidates = torch.randint(0, 5, (4,), generator=rng), torch.randint(0, 8, (c,), generator=rng)
    own = candidates.expand(4, c)
    assert torch.equal(lists.scores(rows, candidates), lists.scores(rows, own))
    assert torch.equal(lists.known_items(own, rows), lists.known_items(candidates, rows).expand(4, c))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"outside": "flor"}, "did you mean 'floor'"), ({"margin": -1.0}, "cannot score above")],
)
def test_policies_that_make_no_sense_are_refused(options, message):
    """A misspelt policy must not fall back to another one silently."""
    with pytest.raises(SignalError, match=message):
        signal(**options)


def test_ids_and_scores_of_different_shapes_are_refused():
    """Lists cut to another k than their scores would pair items with the scores of others."""
    with pytest.raises(SignalError, match=r"both be \[rows, k\]"):
        TopKSignal.from_arrays(IDS, LISTED[:, :2], 6)
