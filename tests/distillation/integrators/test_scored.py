from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation.integrators import Confidence, ConfidenceConsistency, Consistency
from ckd_plugins.errors import ConfigError

SCORES = {
    ConfidenceConsistency: lambda confidence, consistency: confidence * consistency,
    Confidence: lambda confidence, consistency: confidence,
    Consistency: lambda confidence, consistency: consistency,
}


def batch():
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(3, 8, 6, generator=generator, dtype=torch.float64)
    known = torch.rand(3, 8, generator=generator) > 0.3
    known[:, 0], known[:, 1] = True, False
    return logits, known, torch.randint(6, (8,), generator=generator)


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("gamma", [0.05, 1.0])
def test_weights_and_gate_follow_the_equations(kind, gamma, reference):
    """Guards against the wrong score, a lost gamma, and a gate normalised over the wrong rows."""
    logits, known, target = batch()
    _, confidence, consistency = reference.opinions(logits.tolist(), known.tolist(), target.tolist())
    score = SCORES[kind](confidence, consistency)
    result = kind(gamma=gamma)(logits, known, target)
    torch.testing.assert_close(result.weights, torch.from_numpy(reference.weights(score, known.tolist(), gamma)))
    torch.testing.assert_close(result.gate, torch.from_numpy(reference.gate(score, known.tolist())))


@pytest.mark.parametrize("kind", SCORES)
def test_the_gate_can_be_switched_off(kind):
    """Guards against an ablation that is none."""
    logits, known, target = batch()
    result = kind(gate=False)(logits, known, target)
    torch.testing.assert_close(result.gate, known.any(0).double())


def test_a_teacher_that_is_right_weighs_more():
    """Guards against a flipped sign: the whole method would then prefer the worst teacher."""
    logits = torch.tensor([[[5.0, 0.0, 0.0]], [[0.0, 5.0, 0.0]], [[4.0, 0.0, 0.0]]])
    known = torch.ones(3, 1, dtype=torch.bool)
    for kind in (ConfidenceConsistency, Confidence):
        weights = kind()(logits, known, torch.tensor([0])).weights[:, 0]
        assert weights[0] > weights[1]
        assert weights[2] > weights[1]


def test_teachers_that_agree_weigh_more():
    """Guards against a consistency that rewards the outsider."""
    logits = torch.tensor([[[5.0, 0.0, 0.0]], [[0.0, 0.0, 5.0]], [[4.0, 0.0, 0.0]]])
    weights = Consistency()(logits, torch.ones(3, 1, dtype=torch.bool), torch.tensor([1])).weights[:, 0]
    assert weights[1] < min(weights[0], weights[2])


def test_gamma_must_be_positive():
    """Guards against NaN weights from gamma 0, far from the setting that caused them."""
    with pytest.raises(ConfigError, match="gamma must be above 0"):
        ConfidenceConsistency(gamma=0)
