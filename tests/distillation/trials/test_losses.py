"""A loss whose fault shows only in a corner is named before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ckd_plugins.distillation import Loss, Target
from ckd_plugins.distillation.trials import try_loss
from ckd_plugins.errors import PluginError


class Gives(Loss):
    def __init__(self, terms: Any) -> None:
        super().__init__()
        self.said = terms

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> Any:
        return {"x": self.said(student, target, mask)}


def divergence(student: Tensor, target: Target, mask: Tensor | None) -> Tensor:
    p = target.log_probs.exp()
    log_q = student.log_softmax(1) if mask is None else student.masked_fill(~mask, -torch.inf).log_softmax(1)
    return -torch.where(p > 0, p * log_q.masked_fill(p == 0, 0.0), 0.0).sum(1)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (lambda s, t, m: (t.log_probs.exp_() * s).sum(1), "writes into the scores or the target"),
        (lambda s, t, m: (s / s.detach().mean()).sum(1), "gives a row another value where other rows stand beside it"),
        (lambda s, t, m: s.topk(100, dim=1).values.sum(1), "fails on scores (6, 3)"),
        (lambda s, t, m: s.squeeze().sum(-1), "of shape () for scores (1, 200)"),
        (lambda s, t, m: s.var(1, correction=1).sqrt(), "not finite for scores (1, 1)"),
    ],
)
def test_faults_in_the_corners_are_told(terms: Any, says: str) -> None:
    """A target overwritten in place gave another gradient in chunks; a last batch of one row ended runs of hours."""
    with pytest.raises(PluginError) as caught:
        try_loss(Gives(terms))
    assert says in str(caught.value)


def test_minus_infinity_where_the_target_has_nothing_is_right() -> None:
    """The made-up target had mass on masked candidates, which no real one has: a right loss was refused."""
    try_loss(Gives(divergence))


def test_a_loss_that_draws_random_numbers_is_right() -> None:
    """Two answers of such a loss differ, and not because its rows see one another."""
    try_loss(Gives(lambda s, t, m: (s * torch.rand(s.shape)).sum(1)))
