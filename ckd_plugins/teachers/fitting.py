"""The training loop that teachers share: epochs, early stopping, a limit of time, the best weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ckd_plugins.errors import TeacherError
from ckd_plugins.teachers.history import Epoch, History, Progress, Stage
from ckd_plugins.teachers.windows import Batch

__all__ = ["Schedule", "fit"]


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


def fit(
    model: nn.Module,
    batches: Callable[[], Iterable[Batch]],
    loss: Callable[[Batch], Tensor],
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
    begin = time.perf_counter()

    def late() -> bool:
        return schedule.max_seconds is not None and time.perf_counter() - begin >= schedule.max_seconds

    for number in range(1, schedule.epochs + 1):
        total, count = 0.0, 0
        model.train()
        for batch in batches():
            value = loss(batch)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
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
