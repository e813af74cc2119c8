from __future__ import annotations

import pytest
import torch

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import FactorSignal
from ckd_plugins.signals.bound import align_items, finite


def test_padding_is_unknown_even_if_the_teacher_has_an_item_of_that_name():
    """RecBole's id 0 must never get a teacher's score: it would be a candidate that is no item."""
    assert align_items(["a", "[PAD]", "b"], ["[PAD]", "b", None, "c", "a"]).tolist() == [-1, 2, -1, -1, 0]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_temperature_that_no_softmax_can_use_is_refused(temperature):
    """Division by zero would give NaN targets in the middle of training."""
    with pytest.raises(SignalError, match="temperature"):
        FactorSignal.from_arrays(torch.ones(1, 2), torch.ones(3, 2), temperature=temperature)


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 4)])
def test_candidates_that_do_not_fit_the_rows_are_refused(shape):
    """Broadcasting would pair rows with the candidates of others."""
    signal = FactorSignal.from_arrays(torch.ones(5, 2), torch.ones(6, 2))
    with pytest.raises(SignalError, match=r"\[B, C\]"):
        signal.scores(torch.tensor([0, 1]), torch.ones(shape, dtype=torch.long))


def test_repr_tells_what_is_known():
    """A signal that knows nothing must be seen in a log, not found out by its result."""
    signal = FactorSignal.from_arrays(torch.ones(3, 2), torch.ones(6, 2), known=torch.tensor([True, False, True]))
    assert "rows=3 (2 known), items=6 (5 known)" in repr(signal)
    assert len(signal) == 3


def test_not_a_number_is_refused():
    """One NaN in a teacher's array would reach the student's loss through every softmax."""
    with pytest.raises(SignalError, match="NaN"):
        finite(torch.tensor([0.0, float("nan")]), "vectors")
