from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation.integrators import FixedIntegrator
from ckd_plugins.errors import ConfigError


def test_weights_are_renormalised_over_the_known_teachers():
    """Guards against weights in the wrong order and against lost mass."""
    known = torch.tensor([[True, True, False], [True, False, True], [True, True, False]])
    result = FixedIntegrator(weights=[1, 2, 5])(torch.zeros(3, 3, 4), known, torch.zeros(3, dtype=torch.int64))
    wanted = torch.tensor([[1 / 8, 1 / 6, 0], [2 / 8, 0, 1], [5 / 8, 5 / 6, 0]])
    torch.testing.assert_close(result.weights, wanted)


def test_a_row_known_only_to_a_teacher_of_weight_0_is_not_distilled():
    """Guards against 0 / 0, and against a teacher that was switched off teaching after all."""
    known = torch.tensor([[True, False], [True, True]])
    logits = torch.randn(2, 2, 4)
    result = FixedIntegrator(weights=[1, 0])(logits, known, torch.zeros(2, dtype=torch.int64))
    assert result.weights.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert result.gate[1] == 0
    assert torch.isfinite(result.log_probs).all()
    torch.testing.assert_close(result.log_probs[0], torch.log_softmax(logits[0, 0], -1))


@pytest.mark.parametrize("weights", [[0, 0], [-1, 2], [float("nan"), 1], []])
def test_impossible_weights_are_refused(weights):
    """Guards against a distribution that is none."""
    with pytest.raises(ConfigError, match="weights must be 0 or more"):
        FixedIntegrator(weights=weights)


def test_the_number_of_weights_must_be_that_of_the_teachers():
    """Guards against weights broadcast over teachers, or a teacher that is silently left out."""
    with pytest.raises(ConfigError, match=r"2 weights for 3 teachers \(a, b, c\)"):
        FixedIntegrator(weights=[1, 1]).bind(["a", "b", "c"])
