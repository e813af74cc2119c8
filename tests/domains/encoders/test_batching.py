"""Batches by padded size: memory is bounded, and every row is read once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ckd_plugins.domains.encoders.batching import within_budget


@given(st.lists(st.integers(0, 40), max_size=30).map(sorted), st.integers(1, 100))
def test_ranges_cover_all_rows_within_the_budget(lengths: list[int], most: int) -> None:
    """A row left out has no vector; a batch over the budget runs out of memory."""
    ranges = within_budget(lengths, most)
    assert [row for r in ranges for row in r] == list(range(len(lengths)))
    assert all(len(r) * lengths[r[-1]] <= most or len(r) == 1 for r in ranges)
    assert within_budget(np.array(lengths), most) == ranges


def test_as_many_as_fit_share_a_batch() -> None:
    """One row a batch would be right and slow."""
    assert within_budget([1, 2, 3, 3, 9], 9) == [range(3), range(3, 4), range(4, 5)]
