from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ckd_plugins.errors import TeacherError
from ckd_plugins.teachers.fitting import Schedule, fit
from ckd_plugins.teachers.history import Epoch
from ckd_plugins.teachers.windows import Batch

BATCH = Batch(*(np.zeros(1, np.int64) for _ in range(5)))


def batches() -> Iterator[Batch]:
    yield BATCH
    yield BATCH


class Point(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.zeros(1))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)

    def loss(self, _: Batch) -> Tensor:
        assert self.training
        return (self.x - 1).sum() ** 2


def test_the_best_epochs_weights_are_kept_and_patience_ends_it() -> None:
    """Weights of the last epoch would be those that validation rejected."""
    model, seen, scores = Point(), [], iter([0.1, 0.5, 0.4, 0.5, 0.3, 0.9])
    kept: list[float] = []

    def validate() -> float:
        assert not model.training
        kept.append(model.x.item())
        return next(scores)

    schedule = Schedule("finetune", 50, 0.05, patience=3)
    history = fit(model, batches, model.loss, schedule, validate=validate, progress=seen.append)
    assert (history.best, history.valid, history.stopped, len(history.epochs)) == (2, 0.5, "patience", 5)
    assert model.x.item() == kept[1]
    assert model.frozen.item() == 1
    assert seen == history.epochs
    assert isinstance(seen[0], Epoch)


def test_a_score_of_zero_does_not_stop_training_from_keeping_it() -> None:
    """An epoch that ranks nothing is still better than no epoch."""
    model = Point()
    history = fit(model, batches, model.loss, Schedule("finetune", 2, 0.05), validate=lambda: 0.0)
    assert history.best == 1


def test_time_ends_it_within_an_epoch() -> None:
    """The demonstration promises minutes, whatever the epochs cost."""
    model, count = Point(), 0

    def many() -> Iterator[Batch]:
        nonlocal count
        while True:
            count += 1
            yield BATCH

    history = fit(model, many, model.loss, Schedule("pretrain", 5, 0.01, max_seconds=0.05))
    assert (history.stopped, history.best, len(history.epochs)) == ("seconds", 1, 1)
    assert history.seconds < 2
    assert count > 1


def test_a_loss_that_is_no_number_is_an_error() -> None:
    """A teacher of NaNs would give students NaNs."""
    model = Point()
    with pytest.raises(TeacherError, match="lower the learning rate"):
        fit(model, batches, lambda b: model.loss(b) * float("nan"), Schedule("pretrain", 1, 0.01))


def test_no_epochs_leave_the_model_alone() -> None:
    """Zero-shot use: fine-tuning with no epochs only binds a pre-trained teacher to a domain."""
    model = Point()
    history = fit(model, batches, model.loss, Schedule("finetune", 0, 0.1), validate=lambda: 1.0)
    assert (history.best, history.valid, history.seconds, model.x.item()) == (0, None, 0.0, 0.0)


def test_the_learning_rate_rises_and_falls_along_lines() -> None:
    """A warm-up that starts at full speed, or a decay that ends too soon, shows in no error."""
    schedule = Schedule("finetune", 1, 1.0, warmup=4, steps=14)
    assert [schedule.rate(s, 0.0) for s in range(1, 6)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert [round(schedule.rate(s, 0.0), 6) for s in (6, 10, 14)] == [0.9, 0.5, 0.1]
    assert schedule.rate(15, 0.0) == schedule.rate(99, 0.0) == 0.0
    assert Schedule("finetune", 1, 1.0).rate(10**6, 1e9) == 1.0
    assert Schedule("finetune", 1, 1.0, warmup=4).rate(10**6, 1e9) == 1.0


def test_a_limit_of_time_hastens_the_decay() -> None:
    """Training that time ends would end at full speed, where its weights are worst."""
    schedule = Schedule("finetune", 1, 1.0, steps=100, max_seconds=10.0)
    assert schedule.rate(1, 5.0) == 0.5
    assert schedule.rate(61, 5.0) == pytest.approx(0.4)
    assert schedule.rate(1, 11.0) == 0.0


def test_fit_uses_the_rate_and_the_clip() -> None:
    """A schedule beside the optimizer changes nothing."""
    moved = []
    for schedule in (Schedule("finetune", 1, 0.05), Schedule("finetune", 1, 0.05, warmup=10)):
        model = Point()
        fit(model, batches, model.loss, schedule)
        moved.append(model.x.item())
    assert moved[0] == pytest.approx(0.1, rel=0.01)
    assert moved[1] == pytest.approx(0.05 * 0.3, rel=0.01)
    model = Point()
    # Adam divides by the gradient's size; the clip shows beside its epsilon.
    fit(model, batches, model.loss, Schedule("finetune", 1, 0.05, clip=1e-9))
    assert 0 < model.x.item() < 0.02
