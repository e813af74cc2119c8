"""What a teacher's training reports: epoch by epoch, and at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Epoch", "History", "Progress"]

Stage = Literal["pretrain", "finetune"]


@dataclass(frozen=True)
class Epoch:
    """One epoch of a teacher's training."""

    stage: Stage
    number: int
    """From 1."""
    of: int
    """How many there are at most."""
    loss: float
    """Mean training loss a prediction."""
    valid: float | None
    """NDCG@10 on the validation targets, full ranking, history not masked; ``None`` where nothing is validated."""
    seconds: float
    """Since training began."""


Progress = Callable[[Epoch], None]
"""Called after each epoch. What it raises ends the training."""


@dataclass
class History:
    """A finished training."""

    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0
    """Number of the epoch whose weights were kept; 0 if none ran."""
    stopped: Literal["epochs", "patience", "seconds"] = "epochs"
    """What ended it."""

    @property
    def valid(self) -> float | None:
        """NDCG@10 of the epoch that was kept."""
        return self.epochs[self.best - 1].valid if self.best else None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.epochs[-1].seconds if self.epochs else 0.0
