"""Log-variances that are learned."""

from __future__ import annotations

import math

import pytest
import torch

from ckd_plugins.distillation.balances import Uncertainty
from ckd_plugins.errors import ConfigError


def scalar(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def adam(gradient_of, steps: int, rate: float) -> list[float]:
    """Adam (Kingma & Ba 2015, algorithm 1) on two numbers, written out."""
    s, m, v = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
    for t in range(1, steps + 1):
        for i, g in enumerate(gradient_of(s)):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g * g
            s[i] -= rate * (m[i] / (1 - 0.9**t)) / (math.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
    return s


def test_it_begins_as_the_fixed_balance():
    """The first step of a run must not depend on the balance."""
    assert Uncertainty().shares() == (1.0, 1.0)


def test_steps_are_the_equations():
    """The gradient of e^-s L + s / 2 by hand; a missing half would end at variances of L instead of 2 L."""
    own, other, balance = 3.0, 0.2, Uncertainty(learning_rate=0.05)
    for _ in range(25):
        balance.see(scalar(own), scalar(other), [])
    expected = adam(lambda s: [-math.exp(-a) * loss + 0.5 for a, loss in zip(s, (own, other), strict=True)], 25, 0.05)
    assert balance.log_variances.tolist() == pytest.approx(expected, rel=1e-9)
    assert balance.shares() == pytest.approx([math.exp(-s) for s in expected], rel=1e-9)


def test_it_settles_where_the_equation_says():
    """sigma^2 = 2 L: each weighted loss is 1/2 then, whatever its unit."""
    balance = Uncertainty(learning_rate=0.05)
    for _ in range(1500):
        balance.see(scalar(5.0), scalar(0.3), [])
    a, b = balance.shares()
    assert [a * 5.0, b * 0.3] == pytest.approx([0.5, 0.5], rel=1e-3)


def test_the_log_variances_are_bounded():
    """A divergence goes to 0 as the student learns: its weight would go to infinity."""
    balance = Uncertainty(learning_rate=1.0, bound=2.0)
    for _ in range(50):
        balance.see(scalar(1e9), scalar(0.0), [])
    assert balance.shares() == pytest.approx((math.exp(-2.0), math.exp(2.0)))


def test_a_loss_that_is_no_number_teaches_nothing():
    """NaN in a log-variance would stay for ever, though the run may go on without the batch."""
    balance = Uncertainty()
    balance.see(scalar(float("nan")), scalar(1.0), [])
    balance.see(scalar(1.0), scalar(float("inf")), [])
    assert balance.shares() == (1.0, 1.0)


def test_the_losses_get_no_gradient_from_it():
    """The student's gradient is a times its own: it must come from the step, once."""
    weight = torch.ones(1, requires_grad=True)
    Uncertainty().see((weight * 2).sum(), (weight * 3).sum(), [weight])
    assert weight.grad is None


@pytest.mark.parametrize("options", [{"learning_rate": 0.0}, {"bound": 0.0}])
def test_numbers_out_of_range_are_told(options):
    """A rate of 0 would be the fixed balance under another name."""
    with pytest.raises(ConfigError, match=f"balance uncertainty: {next(iter(options))}"):
        Uncertainty(**options)
