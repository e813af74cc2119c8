from __future__ import annotations

import math

import pytest
import torch

from ckd_plugins.distillation.losses import JensenShannon
from ckd_plugins.errors import ConfigError


@pytest.mark.parametrize("beta", [0.5, 0.1, 0.9])
def test_equation(batch, reference, beta):
    """Guards against beta on the wrong side."""
    student, target, mask = batch
    value = JensenShannon(tau=2.0, beta=beta)(student, target, mask)["js"]
    for b in range(6):
        p, q = target.log_probs[b].exp().numpy(), reference.softmax((student[b] / 2).tolist(), mask[b].tolist())
        m = beta * p + (1 - beta) * q
        wanted = 4 * (beta * reference.kl(p, m) + (1 - beta) * reference.kl(q, m))
        assert abs(float(value[b]) - wanted) < 1e-12


def test_it_is_at_most_log_2(make_target):
    """Guards against a row that dominates the batch: the bound is why one chooses this loss."""
    target = make_target(torch.tensor([[0.0, -500.0]]))
    value = JensenShannon()(torch.tensor([[-500.0, 500.0]]), target)["js"]
    assert value.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_the_ends_are_refused(beta):
    """Guards against a loss that is 0 for every student."""
    with pytest.raises(ConfigError, match="beta must be between 0 and 1"):
        JensenShannon(beta=beta)
