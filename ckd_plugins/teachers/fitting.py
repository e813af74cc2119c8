"""The training loop that teachers share: epochs, early stopping, a limit of time, the best weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ckd_plugins.errors import TeacherError
from ckd_plugins.teachers.history import Epoch, History, Progress, Stage

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
    """Training ends with the batch that reaches it. What it gives depends on the machine's speed."""
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
) -> History:
    """Train the model's parameters that require gradients with Adam, and leave it with the best epoch's weights.

    Args:
        model: what is trained; it is in training mode while ``loss`` is called, and in evaluation mode otherwise.
        batches: gives an epoch's batches.
        loss: gives the mean loss of a batch's predictions.
        schedule: how long and how fast.
        validate: gives a score, higher is better, after each epoch; without it the last epoch is the best.
        progress: told of each epoch.

    Raises:
        TeacherError: if the loss is no longer a finite number.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=schedule.learning_rate, fused=True)
    history, best = History(), [p.detach().clone() for p in parameters]
    begin, step = time.perf_counter(), 0

    def late() -> bool:
        return schedule.max_seconds is not None and time.perf_counter() - begin >= schedule.max_seconds

    for number in range(1, schedule.epochs + 1):
        total, count = 0.0, 0
        model.train()
        for batch in batches():
            value = loss(batch)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
            if schedule.clip is not None:
                nn.utils.clip_grad_norm_(parameters, schedule.clip)
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(step, time.perf_counter() - begin)
            optimizer.step()
            total, count = total + value.item() * len(batch.row), count + len(batch.row)
            if late():
                break
        model.eval()
        mean = total / max(1, count)
        if mean != mean:
            raise TeacherError(f"{schedule.stage}, epoch {number}: the loss is not a number; lower the learning rate")
        score = validate() if validate is not None else None
        epoch = Epoch(schedule.stage, number, schedule.epochs, mean, score, time.perf_counter() - begin)
        history.epochs.append(epoch)
        if score is None or not history.best or score > (history.valid or 0.0):
            history.best = number
            best = [p.detach().clone() for p in parameters]
        if progress is not None:
            progress(epoch)
        if late():
            history.stopped = "seconds"
            break
        if schedule.patience is not None and number - history.best >= schedule.patience:
            history.stopped = "patience"
            break
    with torch.no_grad():
        for parameter, kept in zip(parameters, best, strict=True):
            parameter.copy_(kept)
    return history
