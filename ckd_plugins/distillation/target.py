"""What integrators give and losses take: one target distribution, and how far it is trusted."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Target"]


@dataclass(frozen=True)
class Target:
    """The teachers' joint opinion on a batch.

    Shapes: ``B`` rows, ``C`` candidates, ``K`` teachers.
    """

    log_probs: Tensor
    """``[B, C]`` one integrated distribution, in nats. Never ``-inf``: entries without any mass hold a value so low
    that its exponential is 0. Uniform in rows that no teacher knows, so that losses stay finite there."""
    gate: Tensor
    """``[B]`` weight of an instance: mean 1 over the rows that some teacher knows, 0 in the others."""
    weights: Tensor
    """``[K, B]`` share of each teacher; sums to 1 over the teachers that know the row, all 0 where none does."""
    confidence: Tensor
    """``[K, B]`` in [0, 1], 0 where the teacher does not know the row. For the log and the gate."""
    consistency: Tensor
    """``[K, B]`` in [0, 1], 0 where the teacher does not know the row. For the log and the gate."""
