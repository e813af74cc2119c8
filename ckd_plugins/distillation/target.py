"""What integrators give and losses take: one target distribution, and how far it is trusted."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Target", "TeacherVectors"]


@dataclass(frozen=True)
class TeacherVectors:
    """What each teacher's scores are products of, for the rows of a batch and their target items."""

    vectors: tuple[Tensor, ...]
    """``[B, 2, d_k]`` a teacher: the row's vector and the target item's; zeros where unknown."""
    known: Tensor
    """bool ``[K, B, 2]``."""


@dataclass(frozen=True)
class Target:
    """The teachers' joint opinion on a batch.

    Shapes: ``B`` rows, ``C`` candidates, ``K`` teachers.
    """

    log_probs: Tensor
    """``[B, C]`` one integrated distribution, in nats. Never ``-inf``: entries without any mass hold a value so low
    that its exponential is 0. Uniform in rows that no teacher knows, so that losses stay finite there."""
    gate: Tensor
    """``[B]`` weight of an instance: mean 1 over the rows that some teacher has a say in, 0 in the others."""
    weights: Tensor
    """``[K, B]`` share of each teacher; sums to 1 over the teachers that know the row, all 0 where none does."""
    confidence: Tensor
    """``[K, B]`` in [0, 1], 0 where the teacher does not know the row. For the log and the gate."""
    consistency: Tensor
    """``[K, B]`` in [0, 1], 0 where the teacher does not know the row. For the log and the gate."""
    vectors: TeacherVectors | None = None
    """Of losses that compare vectors."""
