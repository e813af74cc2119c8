from __future__ import annotations

import math

import pytest
import torch

from ckd_plugins.distillation.losses import ListMLE
from ckd_plugins.distillation.numerics import LOG_ZERO
from ckd_plugins.errors import ConfigError


def plackett_luce(student, order, top):
    """Mean negative log-likelihood of the first ``top`` places of ``order``, with loops."""
    places = min(top, len(order))
    total = 0.0
    for r in range(places):
        total -= student[order[r]] - math.log(sum(math.exp(student[j]) for j in order[r:]))
    return total / places


@pytest.mark.parametrize("top", [1, 3, 7, 50])
def test_equation(batch, top):
    """Guards against denominators that forget the candidates below the top, and against masked ones in them."""
    student, target, mask = batch
    value = ListMLE(top=top, tau=2.0)(student, target, mask)["listwise"]
    for b in range(6):
        allowed = [j for j in range(7) if mask[b, j]]
        order = sorted(allowed, key=lambda j: -float(target.log_probs[b, j]))
        wanted = plackett_luce((student[b] / 2).tolist(), order, top)
        assert abs(float(value[b]) - wanted) < 1e-12


def test_only_the_order_of_the_target_counts(batch, make_target):
    """Guards against probabilities leaking in: the loss is for teachers whose scores mean nothing but their order."""
    student, target, mask = batch
    stretched = make_target(torch.where(mask, target.log_probs * 3 - 1, target.log_probs))
    plain = ListMLE(top=4)(student, target, mask)["listwise"]
    torch.testing.assert_close(ListMLE(top=4)(student, stretched, mask)["listwise"], plain)


def test_there_is_no_order_among_what_has_no_mass(batch, make_target):
    """A target cut to its likeliest items taught the order in which the others happened to lie."""
    student, target, _ = batch
    order = target.log_probs.argsort(dim=-1, descending=True)
    cut = make_target(target.log_probs.scatter(-1, order[:, 3:], LOG_ZERO))
    found = ListMLE(top=5)(student, cut)["listwise"]
    for b in range(6):
        wanted = plackett_luce(student[b].tolist(), order[b].tolist(), 3)
        assert abs(float(found[b]) - wanted) < 1e-12


def test_top_must_be_positive():
    """Guards against a mean over no places."""
    with pytest.raises(ConfigError, match="top must be 1 or more"):
        ListMLE(top=0)
