from __future__ import annotations

import math

import pytest
import torch

from ckd_plugins.distillation.losses import Pairwise
from ckd_plugins.errors import ConfigError


def bpr(higher, lower):
    return math.log1p(math.exp(lower - higher))


@pytest.mark.parametrize("top", [1, 3, 7, 50])
def test_equation(batch, top):
    """Guards against masked candidates as partners, a candidate as its own, and masses that are not scaled."""
    student, target, mask = batch
    value = Pairwise(top=top, tau=2.0)(student, target, mask)["pairwise"]
    for b in range(6):
        allowed = [j for j in range(7) if mask[b, j]]
        y, p = (student[b] / 2).tolist(), target.log_probs[b].exp().tolist()
        best = sorted(allowed, key=lambda j: -p[j])[:top]
        lost = sum(p[i] * sum(bpr(y[i], y[j]) for j in allowed if j != i) / (len(allowed) - 1) for i in best)
        assert abs(float(value[b]) - lost / sum(p[i] for i in best)) < 1e-12


def test_with_all_candidates_it_is_ranknets_cross_entropy(batch):
    """Guards the claim of the docstring: soft pair probabilities of the target, weighted by the mass of the pair."""
    student, target, mask = batch
    value = Pairwise(top=7)(student, target, mask)["pairwise"]
    for b in range(6):
        allowed, y = [j for j in range(7) if mask[b, j]], student[b].tolist()
        p = target.log_probs[b].exp().tolist()
        total = mass = 0.0
        for a, i in enumerate(allowed):
            for j in allowed[a + 1 :]:
                wanted = 1 / (1 + math.exp(math.log(p[j]) - math.log(p[i])))
                cross_entropy = wanted * bpr(y[i], y[j]) + (1 - wanted) * bpr(y[j], y[i])
                total, mass = total + (p[i] + p[j]) * cross_entropy, mass + p[i] + p[j]
        assert abs(float(value[b]) - total / mass) < 1e-12


def test_the_student_that_scores_log_probabilities_is_best(batch):
    """Guards the optimum: a student that has the target's scores must not be pulled anywhere."""
    _, target, mask = batch
    scores = torch.where(mask, 2 * target.log_probs, 0.0).requires_grad_()
    Pairwise(top=7, tau=2.0)(scores, target, mask)["pairwise"].sum().backward()
    assert scores.grad.abs().max() < 1e-15


def test_a_doubled_temperature_halves_the_scores(batch):
    """Guards against a temperature that is accepted and not used."""
    student, target, mask = batch
    torch.testing.assert_close(Pairwise(tau=4.0)(student, target, mask), Pairwise()(student / 4, target, mask))


def test_a_single_candidate_has_no_pairs(make_target):
    """Guards against 0 / 0 without a mask: a batch whose rows have one target."""
    value = Pairwise()(torch.tensor([[3.0]]), make_target(torch.tensor([[0.0]])))["pairwise"]
    assert value.tolist() == [0.0]


def test_top_must_be_positive():
    """Guards against a mean over no pairs."""
    with pytest.raises(ConfigError, match="top must be 1 or more"):
        Pairwise(top=0)
