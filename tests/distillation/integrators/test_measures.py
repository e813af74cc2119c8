from __future__ import annotations

import math

import pytest
import torch

from ckd_plugins.distillation.integrators.measures import (
    among_all,
    certainty,
    confidence,
    consistency,
    gate_over,
    normalize_gate,
    softmax_over_known,
)


def probabilities(teachers=3, rows=6, items=9, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    log_probs = torch.log_softmax(
        scale * torch.randn(teachers, rows, items, generator=generator, dtype=torch.float64), dim=-1
    )
    known = torch.rand(teachers, rows, generator=generator) > 0.4
    known[:, 0], known[:, 1] = True, False
    return log_probs.exp(), log_probs, known, torch.randint(items, (rows,), generator=generator)


def test_confidence_is_the_probability_of_the_target(reference):
    """Guards against a gather along the wrong dimension, which permuted inputs of one size would hide."""
    probs, log_probs, known, target = probabilities()
    _, wanted, _ = reference.opinions(log_probs.tolist(), known.tolist(), target.tolist())
    torch.testing.assert_close(confidence(probs, log_probs, known, target, None), torch.from_numpy(wanted))


def test_confidence_without_a_target_is_certainty():
    """Guards against column -1 (the last item) read as the target of rows that have none."""
    probs, log_probs, known, target = probabilities()
    target[0] = -1
    value = confidence(probs, log_probs, known, target, None)
    torch.testing.assert_close(value[:, 0], certainty(probs, log_probs)[:, 0])


@pytest.mark.parametrize("few", [2, 20, 100, 1000])
def test_chance_among_few_is_chance_among_all(few):
    """Guards against a domain of few items that is distilled more for its size, and a sure teacher less for it."""
    sure, likely, chance = (
        float(among_all(torch.tensor(p, dtype=torch.float64), torch.tensor(few), 1000)) for p in (1.0, 0.9, 1 / few)
    )
    assert sure == 1
    assert chance == pytest.approx(1 / 1000)
    assert likely == pytest.approx(1 / (1 + (999 / (few - 1)) / 9))


def test_confidence_among_one_or_none_is_finite():
    """Guards against 0 / 0 where a teacher knows one candidate, or the target is the only one and it is unknown."""
    assert among_all(torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0, 1, 1]), 1).tolist() == [0, 1, 0]


def test_certainty_is_one_minus_normalised_entropy():
    """Guards against the wrong number of candidates under the logarithm when some are masked."""
    probs = torch.tensor([[0.5, 0.25, 0.25, 0.0]], dtype=torch.float64)
    log_probs = probs.clamp_min(1e-300).log()
    entropy = 0.5 * math.log(2) + 0.5 * math.log(4)
    mask = torch.tensor([[True, True, True, False]])
    assert certainty(probs, log_probs).item() == pytest.approx(1 - entropy / math.log(4))
    assert certainty(probs, log_probs, mask).item() == pytest.approx(1 - entropy / math.log(3))


def test_certainty_over_one_candidate_is_0():
    """Guards against 0 / log 1: a choice of one says nothing."""
    probs = torch.tensor([[1.0, 0.0]])
    log_probs = torch.tensor([[0.0, torch.finfo(torch.float32).min]])
    assert certainty(probs, log_probs, torch.tensor([[True, False]])).item() == 0
    assert certainty(torch.ones(1, 1), torch.zeros(1, 1)).item() == 0


@pytest.mark.parametrize("teachers", [1, 2, 3, 4])
def test_consistency_is_the_divergence_from_the_others(teachers, reference):
    """Guards against a mean that counts the teacher itself or teachers that do not know the row."""
    probs, log_probs, known, target = probabilities(teachers)
    _, _, wanted = reference.opinions(log_probs.tolist(), known.tolist(), target.tolist())
    torch.testing.assert_close(consistency(probs, known), torch.from_numpy(wanted))


@pytest.mark.parametrize("teachers", [2, 3])
def test_equal_teachers_are_consistent_and_disjoint_ones_are_not(teachers):
    """Guards against the wrong bound: log 2, not 1, is the largest divergence."""
    same = torch.softmax(torch.randn(1, 4, 2000), dim=-1).expand(teachers, -1, -1)
    torch.testing.assert_close(consistency(same, torch.ones(teachers, 4, dtype=torch.bool)), torch.ones(teachers, 4))
    apart = torch.eye(teachers).unsqueeze(1)
    torch.testing.assert_close(consistency(apart, torch.ones(teachers, 1, dtype=torch.bool)), torch.zeros(teachers, 1))


def test_weights_are_a_softmax_over_the_known(reference):
    """Guards against weight left on a teacher that does not know the row, and NaN where none does."""
    probs, log_probs, known, target = probabilities()
    score = confidence(probs, log_probs, known, target, None)
    wanted = reference.weights(score.numpy(), known.tolist(), 0.2)
    weights = softmax_over_known(score, known, 0.2)
    torch.testing.assert_close(weights, torch.from_numpy(wanted))
    torch.testing.assert_close(weights.sum(0), known.any(0).to(weights))


@pytest.mark.parametrize("gamma", [1e-30, 1e30])
def test_weights_stand_any_temperature(gamma):
    """Guards against overflow of score / gamma."""
    known = torch.tensor([[True], [True], [False]])
    weights = softmax_over_known(torch.tensor([[0.9], [0.1], [1.0]]), known, gamma)
    wanted = [[1.0], [0.0], [0.0]] if gamma < 1 else [[0.5], [0.5], [0.0]]
    torch.testing.assert_close(weights, torch.tensor(wanted))


def test_the_gate_has_mean_1_over_the_known_rows(reference):
    """Guards against unknown rows in the mean, which would make distillation stronger where less is known."""
    probs, log_probs, known, target = probabilities()
    score = confidence(probs, log_probs, known, target, None)
    gate = normalize_gate(gate_over(score, known), known.any(0))
    torch.testing.assert_close(gate, torch.from_numpy(reference.gate(score.numpy(), known.tolist())))
    assert gate[known.any(0)].mean().item() == pytest.approx(1)
    assert (gate[~known.any(0)] == 0).all()


def test_a_gate_of_zero_stays_zero():
    """Guards against 0 / 0 when no row is known or no teacher has any confidence."""
    nothing = torch.zeros(3, dtype=torch.bool)
    assert normalize_gate(torch.ones(3), nothing).tolist() == [0, 0, 0]
    assert normalize_gate(torch.zeros(3), ~nothing).tolist() == [0, 0, 0]
