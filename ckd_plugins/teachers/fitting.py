"""The training loop that teachers share: epochs, early stopping, a limit of time, the best weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ckd_plugins.errors import TeacherError
from ckd_plugins.teachers.fit_state import FitState
from ckd_plugins.teachers.history import Epoch, History, Progress, Stage
from ckd_plugins.teachers.keeping import Keeper, Slot, active_keeper

__all__ = ["Counted", "Schedule", "fit"]


class Counted(Protocol):
    """A batch that says how many predictions it holds."""

    @property
    def row(self) -> npt.NDArray[np.int64]:
        """``[P]`` an entry a prediction."""
        ...


B = TypeVar("B", bound=Counted)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train."""

    stage: Stage
    epochs: int
    learning_rate: float
    patience: int | None = None
    """Epochs without a better validation score after which training ends; ``None`` for never."""
    max_seconds: float | None = None
    """Training ends with the batch that reaches it, time of earlier processes included. What it gives depends on the
    machine's speed."""
    warmup: int = 0
    """Steps in which the learning rate rises from 0."""
    steps: int | None = None
    """Steps after which the learning rate has fallen to 0, along a line; or when ``max_seconds`` are over, if that is
    sooner. ``None``: it stays."""
    clip: float | None = None
    """Longest gradient; ``None`` for any."""

    def rate(self, step: int, seconds: float) -> float:
        """Return the learning rate of a step, counted from 1, that begins after so many seconds."""
        rate = self.learning_rate * min(1.0, step / self.warmup) if self.warmup else self.learning_rate
        if self.steps is None:
            return rate
        done = (step - 1 - self.warmup) / max(1, self.steps - self.warmup)
        if self.max_seconds is not None:
            done = max(done, seconds / self.max_seconds)
        return rate * min(1.0, max(0.0, 1 - done))


def fit(
    model: nn.Module,
    batches: Callable[[], Iterable[B]],
    loss: Callable[[B], Tensor],
    schedule: Schedule,
    *,
    validate: Callable[[], float] | None = None,
    progress: Progress | None = None,
    along: Collection[str] = (),
    keeper: Keeper | None = None,
) -> History:
    """Train the model's parameters that require gradients with Adam, and leave it with the best epoch's weights.

    With a keeper the training is written down after each epoch, and within long ones. A call that is the same but for
    the time goes on from there, and ends with the same weights, bit for bit where arithmetic repeats itself (one
    thread of a CPU). It draws the same random numbers if they come from torch and from
    :func:`~ckd_plugins.teachers.keeping.watched` generators.

    Args:
        model: what is trained; it is in training mode while ``loss`` is called, and in evaluation mode otherwise.
        batches: gives an epoch's batches.
        loss: gives the mean loss of a batch's predictions.
        schedule: how long and how fast.
        validate: gives a score, higher is better, after each epoch; without it the last epoch is the best.
        progress: told of each epoch, not of those of an earlier process.
        along: names of parameters that ``batches`` or ``loss`` change, not the optimizer; they are kept with those that
            are trained, and end as they were in the best epoch.
        keeper: where the training is kept; by default the enclosing
            :func:`~ckd_plugins.teachers.keeping.kept_in`'s, or nowhere.

    Raises:
        TeacherError: if the loss is no longer a finite number.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=schedule.learning_rate, fused=True)
    at = FitState(model, optimizer, frozenset(along), done=schedule.epochs < 1)
    keeper = keeper or active_keeper()
    slot = keeper.slot(schedule.stage) if keeper is not None and not at.done else None
    _take_up(at, slot, schedule)
    begin = time.perf_counter() - at.seconds

    def late() -> bool:
        at.seconds = time.perf_counter() - begin
        return schedule.max_seconds is not None and at.seconds >= schedule.max_seconds

    while not at.done:
        model.train()
        for batch in at.remaining(batches):
            value = loss(batch)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
            if schedule.clip is not None:
                nn.utils.clip_grad_norm_(parameters, schedule.clip)
            at.step += 1
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(at.step, time.perf_counter() - begin)
            optimizer.step()
            at.total, at.count = at.total + value.item() * len(batch.row), at.count + len(batch.row)
            at.batch += 1
            if late():
                break
            if slot is not None and slot.due:
                slot.write(*at.capture())
        model.eval()
        mean = at.total / max(1, at.count)
        if mean != mean:
            raise TeacherError(f"{schedule.stage}, epoch {at.epoch}: the loss is not a number; lower the learning rate")
        score = validate() if validate is not None else None
        _close_epoch(at, schedule, mean, score, late())
        if slot is not None:
            slot.write(*at.capture())
        if progress is not None:
            progress(at.history.epochs[-1])
    with torch.no_grad():
        for parameter, kept in zip(at.moving.values(), at.best, strict=True):
            parameter.copy_(kept)
    return at.history


def _take_up(at: FitState, slot: Slot | None, schedule: Schedule) -> None:
    """Go on where an earlier process ended, if there was one."""
    found = slot.read() if slot is not None else None
    if slot is None or found is None or not at.restore(*found):
        return
    said = "had ended" if at.done else f"goes on at {at.place}"
    slot.keeper.say(f"an earlier process was stopped; {schedule.stage} {said} (of {schedule.epochs} epochs)")


def _close_epoch(at: FitState, schedule: Schedule, loss: float, score: float | None, late: bool) -> None:
    history, number = at.history, at.epoch
    history.epochs.append(Epoch(schedule.stage, number, schedule.epochs, loss, score, at.seconds))
    if score is None or not history.best or score > (history.valid or 0.0):
        history.best = number
        at.best = at.values()
    if late:
        history.stopped = "seconds"
    elif schedule.patience is not None and number - history.best >= schedule.patience:
        history.stopped = "patience"
    at.done = history.stopped != "epochs" or number >= schedule.epochs
    at.next_epoch()
