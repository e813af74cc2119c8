"""The epochs of RecBole's trainer, as teachers report and keep them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from ckd_plugins.teachers.history import Epoch, History, Progress
from ckd_plugins.teachers.keeping import Slot

__all__ = ["Place", "Watcher"]


class Watcher:
    """RecBole's epochs as a teacher's history.

    Args:
        epochs: how many there are at most.
        progress: told of each epoch that is validated.
    """

    def __init__(self, epochs: int, progress: Progress | None) -> None:
        self.history = History()
        self.epochs, self._progress, self._begin = epochs, progress, time.perf_counter()
        self._seen = 0

    def before_epoch(self, epoch: int, train_data: Any) -> None:
        """See :class:`ckd_plugins.host.trainer.EpochWatcher`, as the others."""

    def after_epoch(self, epoch: int, seconds: float, loss: float) -> None:
        """Note an epoch, whether it is validated or not."""
        self._told(epoch, loss, None)

    def after_validation(self, epoch: int, score: float, result: dict[str, float]) -> None:
        """Add the score to the epoch."""
        if self.history.epochs and self.history.epochs[-1].number == epoch + 1:
            self._told(epoch, self.history.epochs.pop().loss, score)

    def take_up(self, history: Mapping[str, Any]) -> None:
        """Go on from what an earlier process saw."""
        self.history = History(**{**history, "epochs": [Epoch(**epoch) for epoch in history["epochs"]]})
        self._begin -= self.history.seconds

    def _told(self, epoch: int, loss: float, valid: float | None) -> None:
        told = Epoch("finetune", epoch + 1, self.epochs, loss, valid, time.perf_counter() - self._begin)
        self.history.epochs.append(told)
        if valid is not None and (not self.history.best or valid > (self.history.valid or 0.0)):
            self.history.best = told.number
        if self._progress is not None and valid is not None:
            self._progress(told)


class Place:
    """Where RecBole's trainer is kept, with the history beside it.

    Args:
        slot: the place.
        watcher: has the history, and gets that of an earlier process.
    """

    def __init__(self, slot: Slot, watcher: Watcher) -> None:
        self._slot, self._watcher = slot, watcher

    @property
    def due(self) -> bool:
        """See :class:`ckd_plugins.host.resume.Place`, as the others."""
        return self._slot.due

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return the trainer's part; the watcher gets the history."""
        found = self._slot.read()
        if found is None:
            return None
        tensors, state = found
        self._watcher.take_up(state["history"])
        at, of = state["trainer"]["epoch"] + 1, self._watcher.epochs
        self._slot.keeper.say(f"an earlier process was stopped; finetune goes on at epoch {at} (of {of} epochs)")
        return tensors, state["trainer"]

    def write(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write the trainer's part and the history as one."""
        self._slot.write(tensors, {"trainer": state, "history": asdict(self._watcher.history)})
