from __future__ import annotations

import math

import torch

from ckd_plugins.distillation.losses import ReverseKL
from ckd_plugins.distillation.numerics import LOG_ZERO


def test_equation(batch, reference):
    """Guards against the divergence the wrong way round."""
    student, target, mask = batch
    value = ReverseKL(tau=0.5)(student, target, mask)["reverse_kl"]
    for b in range(6):
        q = reference.softmax((student[b] * 2).tolist(), mask[b].tolist())
        assert abs(float(value[b]) - 0.25 * reference.kl(q, target.log_probs[b].exp().tolist())) < 1e-12


def test_an_item_that_only_a_teacher_of_weight_0_knows_costs_100_nats(make_target):
    """Guards against an infinite loss where the target has no mass but the student may choose the item."""
    target = make_target(torch.tensor([[0.0, LOG_ZERO]]))
    value = ReverseKL()(torch.zeros(1, 2), target)["reverse_kl"]
    assert math.isclose(value.item(), 50 - math.log(2), rel_tol=1e-5)
