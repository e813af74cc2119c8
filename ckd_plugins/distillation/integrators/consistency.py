"""Integrator: consistency alone."""

from __future__ import annotations

from torch import Tensor

from ckd_plugins.distillation.integrators.base import Opinions
from ckd_plugins.distillation.integrators.scored import ScoredIntegrator

__all__ = ["Consistency"]


class Consistency(ScoredIntegrator):
    """Score = consistency: a teacher weighs as it agrees with the others. The ablation without confidence.

    Reads no targets. With two teachers both weigh the same, and only the gate tells instances apart.

    Args:
        gamma: temperature of the weights.
        gate: ``False`` lets all instances weigh the same.
    """

    def score(self, opinions: Opinions) -> Tensor:
        """Consistency."""
        return opinions.consistency
