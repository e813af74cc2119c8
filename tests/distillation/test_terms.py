from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation.target import Target
from ckd_plugins.distillation.terms import describe


def part(weights, confidence):
    weights, confidence = torch.tensor(weights), torch.tensor(confidence)
    return Target(torch.empty(0), torch.ones(weights.shape[1]), weights, confidence, confidence / 2)


KNOWN = torch.tensor([[True, True, False, False], [True, False, False, True]])
PARTS = [
    part([[0.2, 1.0], [0.8, 0.0]], [[0.5, 0.7], [0.4, 0.0]]),
    part([[0.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.6]]),
]


@pytest.fixture
def log():
    gate = torch.tensor([3.0, 0.0, 0.0, 0.0])
    loss = torch.tensor(2.0, requires_grad=True)
    return describe(["a", "b"], PARTS, KNOWN, gate, {"kl": loss}, loss)


def test_means_run_over_the_rows_that_a_teacher_knows(log):
    """Guards against a teacher that looks unsure in the log because it knows few rows."""
    assert log["known/a"].item() == 0.5
    assert log["weight/a"].item() == pytest.approx((0.2 + 1.0) / 2)
    assert log["weight/b"].item() == pytest.approx((0.8 + 1.0) / 2)
    assert log["confidence/a"].item() == pytest.approx(0.6)
    assert log["confidence/b"].item() == pytest.approx(0.5)
    assert log["consistency/b"].item() == pytest.approx(0.25)


def test_the_effective_share_shows_a_gate_that_trusts_few_rows(log):
    """Guards against a log in which the gate, whose mean is always 1, cannot be seen to collapse."""
    assert log["gate/effective"].item() == pytest.approx(1 / 3)
    even = describe(["a", "b"], PARTS, KNOWN, torch.tensor([1.0, 1.0, 0.0, 1.0]), {}, torch.tensor(0.0))
    assert even["gate/effective"].item() == pytest.approx(1)


def test_everything_is_a_detached_scalar(log):
    """Guards against a log that keeps every batch's graph alive."""
    assert log["distillation"].item() == log["distillation/kl"].item() == 2
    assert all(value.ndim == 0 and not value.requires_grad for value in log.values())
