"""Weight and temperature that change over the epochs."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation.losses import KLDivergence, Loss, StandardizedMSE
from ckd_plugins.distillation.weighing import Weighted
from ckd_plugins.errors import ConfigError


def test_a_schedule_sets_weight_and_temperature_at_every_epoch():
    """A schedule that is read once is a number."""
    objective = Weighted(KLDivergence(tau=1.0), 1.0)
    objective.follow(weight=lambda epoch: 2.0 * epoch, temperature=lambda epoch: 1.0 + epoch)
    seen = []
    for epoch in range(3):
        objective.set_epoch(epoch)
        seen.append((objective.weight, objective.criterion.tau, objective.criterion.linear))
    assert seen == [(0, 1, True), (2, 2, False), (4, 3, False)]
    assert objective.settings() == {"schedule/weight": 4.0, "schedule/temperature": 3.0}


def test_the_first_epoch_is_set_before_anything_is_asked():
    """The probe of the first batch would otherwise be made with the last weight."""
    objective = Weighted(KLDivergence(), 1.0)
    objective.follow(weight=lambda epoch: 0.5, temperature=lambda epoch: 4.0)
    assert (objective.weight, objective.criterion.tau) == (0.5, 4.0)


def test_without_a_schedule_nothing_moves():
    """A weight that somebody sets by hand between batches would be overwritten."""
    objective = Weighted(KLDivergence(tau=3.0), 1.0)
    objective.weight = 7.0
    objective.set_epoch(5)
    assert (objective.weight, objective.criterion.tau, objective.settings()) == (7.0, 3.0, {})


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_out_of_range_is_told_when_it_comes(weight):
    """A plugin's ramp may overshoot; a negative weight pushes the student away from its teachers."""
    objective = Weighted(KLDivergence(), 1.0)
    with pytest.raises(ConfigError, match="0 or more"):
        objective.follow(weight=lambda epoch: weight)


def test_a_loss_without_temperature_is_not_silently_left():
    """The schedule would do nothing, and the run would be reported as annealed."""
    with pytest.raises(ConfigError, match="no temperature"):
        StandardizedMSE().set_temperature(2.0)
    with pytest.raises(ConfigError, match="tau must be above 0"):
        KLDivergence().set_temperature(0.0)


def test_a_loss_may_keep_its_temperature_elsewhere():
    """A plugin's loss with a learned scale needs more than an attribute."""

    class Own(Loss):
        def set_temperature(self, tau: float) -> None:
            self.inverse = 1 / tau

        def forward(self, student, target, mask=None):
            return {"own": torch.zeros(len(student))}

    objective = Weighted(Own(), 1.0)
    objective.follow(temperature=lambda epoch: 2.0 + epoch)
    objective.set_epoch(2)
    assert objective.criterion.inverse == 0.25
