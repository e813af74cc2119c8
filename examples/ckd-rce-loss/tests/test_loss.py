"""The loss against its definition, on candidates few enough to count by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from ckd_rce_loss import plugin
from ckd_rce_loss.loss import RejuvenatedCrossEntropy, best

from ckd_plugins.distillation import Target


def target_of(probs: list[list[float]]) -> Target:
    """A target with one teacher and equal weights."""
    log_probs = torch.tensor(probs).log()
    ones = torch.ones(1, len(probs))
    return Target(log_probs=log_probs, gate=ones[0], weights=ones, confidence=ones, consistency=ones)


def entropy_on(p: list[float], y: list[float], items: list[int]) -> float:
    """Cross-entropy over some items, written out."""
    total_p, total_q = sum(p[i] for i in items), sum(math.exp(y[i]) for i in items)
    return -sum(p[i] / total_p * math.log(math.exp(y[i]) / total_q) for i in items)


def test_is_what_the_equation_says() -> None:
    """Guards against mixing up the two sets or the two weights."""
    p, y = [0.5, 0.3, 0.1, 0.06, 0.04], [0.1, 2.0, 1.0, -1.0, 0.5]
    terms = RejuvenatedCrossEntropy(top=2, closure=1, beta=2.0)(torch.tensor([y]), target_of([p]))
    gamma = math.exp(-2.0 * 1 / 2)  # T = {0, 1}, S = {1, 2}
    assert terms["rce_student"].item() == pytest.approx((1 - gamma) * entropy_on(p, y, [1, 2]), rel=1e-5)
    assert terms["rce_teacher"].item() == pytest.approx(gamma * entropy_on(p, y, [0, 1]), rel=1e-5)


def test_a_candidate_that_is_not_allowed_changes_nothing() -> None:
    """Guards against masked items among the best: their scores may be anything."""
    p, y = [[0.5, 0.3, 0.2]], torch.tensor([[0.3, 0.2, 0.1]])
    loss = RejuvenatedCrossEntropy(top=2, closure=2)
    plain = loss(y, target_of(p))
    wide = target_of([[*p[0], 1e-9]])
    masked = loss(torch.tensor([[0.3, 0.2, 0.1, 99.0]]), wide, torch.tensor([[True, True, True, False]]))
    for name in plain:
        assert torch.allclose(plain[name], masked[name], atol=1e-6)


def test_gradients_are_finite_and_lift_what_the_student_overlooks() -> None:
    """Guards against a loss that only sharpens what the student ranks high already."""
    y = torch.tensor([[-3.0, 2.0, 1.0, 0.5]], requires_grad=True)
    terms = RejuvenatedCrossEntropy(top=1, closure=2)(y, target_of([[0.97, 0.01, 0.01, 0.01]]))
    torch.stack(list(terms.values())).sum().backward()
    assert y.grad is not None
    assert torch.isfinite(y.grad).all()
    assert y.grad[0, 0] < 0


def test_more_places_than_candidates() -> None:
    """Guards against a crash in a small last batch."""
    assert best(torch.zeros(2, 3), 20, None).all()


@pytest.mark.parametrize("options", [{"top": 0}, {"closure": 0}, {"beta": -1.0}, {"tau": 0.0}])
def test_refuses_numbers_out_of_range(options: dict[str, Any]) -> None:
    """Guards against a run that trains on nonsense."""
    with pytest.raises(ValueError, match="must be"):
        RejuvenatedCrossEntropy(**options)


def test_is_found_by_name(ckd_manager: Any) -> None:
    """Guards against a broken reference in the record."""
    ckd_manager.register(plugin, "rce_loss")
    assert ckd_manager.get("loss", "rce").load() is RejuvenatedCrossEntropy
