"""Teachers' and student's vectors, for losses that compare them instead of scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ckd_plugins.distillation.losses.base import VectorShape
from ckd_plugins.distillation.target import TeacherVectors
from ckd_plugins.errors import ConfigError
from ckd_plugins.signals.base import Signal, VectorSignal

__all__ = ["ReadsVectors", "read_vectors", "vector_shape", "vector_signals"]


@runtime_checkable
class ReadsVectors(Protocol):
    """What reads a student's vectors out of a batch."""

    def vectors(self, items: Tensor) -> Tensor:
        """Return ``[B, 2, d]``, the rows' vectors and those of one item each, ``items [B]``."""


def vector_signals(signals: Sequence[Signal]) -> tuple[VectorSignal, ...]:
    """Return the teachers, all of which keep vectors.

    Raises:
        ConfigError: one does not.
    """
    found = tuple(signal for signal in signals if isinstance(signal, VectorSignal))
    if len(found) < len(signals):
        lists = next(signal.name for signal in signals if not isinstance(signal, VectorSignal))
        raise ConfigError(
            f"the loss compares vectors, and teacher {lists!r} keeps scores; leave that teacher out, or take a loss "
            f"that compares scores"
        )
    return found


def vector_shape(signal: VectorSignal) -> VectorShape:
    """Measure a teacher's vectors."""
    return VectorShape(signal.width, signal.mean_squares())


def read_vectors(signals: Sequence[VectorSignal], rows: Tensor, items: Tensor) -> TeacherVectors:
    """Ask each teacher for the vectors of rows and of one item each.

    Args:
        signals: the teachers.
        rows: int64 ``[B]``.
        items: int64 ``[B]``, on the device where they are wanted.
    """
    pairs = tuple(torch.stack(signal.vectors(rows, items), dim=1) for signal in signals)
    known = [torch.stack([s.known(rows).to(items.device), s.known_items(items)], dim=1) for s in signals]
    return TeacherVectors(pairs, torch.stack(known))
