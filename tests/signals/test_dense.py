from __future__ import annotations

import pytest
import torch

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import DenseSignal


def test_scores_are_those_written_down():
    """A transposed table would be read without an error whenever it is square."""
    signal = DenseSignal.from_arrays(torch.tensor([[9.0, 1.0, 2.0], [9.0, 3.0, 4.0], [9.0, 5.0, 6.0]]))
    assert signal.scores(torch.tensor([1, 2]), torch.tensor([2, 0])).tolist() == [[4.0, 0.0], [6.0, 0.0]]
    assert signal.scores(torch.tensor([1, 2]), torch.tensor([[1], [2]])).tolist() == [[3.0], [6.0]]


def test_infinite_scores_are_refused():
    """-inf for "not allowed" is common in exports: minus infinity times a weight of 0 is NaN."""
    with pytest.raises(SignalError, match="infinite"):
        DenseSignal.from_arrays(torch.tensor([[0.0, float("-inf")]]))


def test_table_that_is_no_matrix_is_refused():
    """Scores of one row would be taken for a row's."""
    with pytest.raises(SignalError, match=r"\[rows, items\]"):
        DenseSignal(torch.ones(3), torch.arange(3), torch.arange(3), name="t", temperature=1.0)
