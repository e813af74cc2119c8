from __future__ import annotations

import math

import pytest
import torch

from ckd_plugins.distillation.integrators import Entropy


def batch(seed=3):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(3, 8, 6, generator=generator, dtype=torch.float64)
    known = torch.rand(3, 8, generator=generator) > 0.3
    known[:, 0], known[:, 1] = True, False
    mask = torch.rand(3, 8, 6, generator=generator) > 0.3
    mask[..., 0] = True
    return logits, known, torch.randint(6, (8,), generator=generator), mask


@pytest.mark.parametrize("gamma", [0.05, 1.0])
def test_weights_and_gate_follow_the_equations(gamma, reference):
    """Guards against entropies that are not normalised by what a teacher knows: few items would look like certainty."""
    logits, known, target, mask = batch()
    score = torch.zeros(3, 8, dtype=torch.float64).numpy()
    for k in range(3):
        for b in range(8):
            p = reference.softmax(logits[k, b].tolist(), mask[k, b].tolist())
            allowed = int(mask[k, b].sum())
            entropy = -sum(x * math.log(x) for x in p if x > 0)
            score[k, b] = 1 - entropy / math.log(allowed) if allowed > 1 else 0.0
    result = Entropy(gamma=gamma)(logits, known, target, mask)
    torch.testing.assert_close(result.weights, torch.from_numpy(reference.weights(score, known.tolist(), gamma)))
    torch.testing.assert_close(result.gate, torch.from_numpy(reference.gate(score, known.tolist())))


def test_the_target_does_not_matter():
    """Guards against the real choice leaking in: this is the integrator that does not look at it."""
    logits, known, target, mask = batch()
    one, other = Entropy()(logits, known, target, mask), Entropy()(logits, known, (target + 1) % 6, mask)
    torch.testing.assert_close(one.weights, other.weights)
    torch.testing.assert_close(one.log_probs, other.log_probs)


def test_a_sure_teacher_weighs_more_than_a_vague_one():
    """Guards against a flipped sign."""
    logits = torch.tensor([[[9.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]]])
    weights = Entropy()(logits, torch.ones(2, 1, dtype=torch.bool), torch.tensor([2])).weights
    assert weights[0, 0] > 0.9
