from __future__ import annotations

import numpy as np
import pytest

from ckd_plugins.curriculum import Evidence
from ckd_plugins.errors import DataError


@pytest.fixture
def evidence():
    """Two users; the last row has no history."""
    return Evidence(
        flat=[0, 2, 1, 3, 3], start=[0, 0, 3, 3], stop=[1, 3, 5, 3], targets=[2, 3, 1, 0], popularity=[4, 1, 2, 10]
    )


def test_lengths_are_the_rows(evidence):
    """Guards against lengths that are off by one."""
    assert evidence.lengths.tolist() == [1, 3, 2, 0]
    assert len(evidence) == 4


def test_sums_over_histories_are_those_of_a_loop(evidence):
    """Guards against running sums that are off by one, above all in empty histories."""
    values = np.array([0.5, 2.0, -1.0, 7.0])
    wanted = [sum(values[i] for i in evidence.flat[a:b]) for a, b in zip(evidence.start, evidence.stop, strict=True)]
    np.testing.assert_allclose(evidence.history_sum(values), wanted, atol=1e-12)


def test_arrays_of_different_length_are_refused():
    """Guards against measures of other rows than those that are trained."""
    with pytest.raises(DataError, match="confidence has 1 rows, targets 2"):
        Evidence(flat=[0], start=[0, 0], stop=[1, 1], targets=[0, 0], popularity=[1], confidence=[0.5])
