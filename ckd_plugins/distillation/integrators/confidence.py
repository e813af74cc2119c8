"""Integrator: confidence alone."""

from __future__ import annotations

from torch import Tensor

from ckd_plugins.distillation.integrators.base import Opinions
from ckd_plugins.distillation.integrators.scored import ScoredIntegrator

__all__ = ["Confidence"]


class Confidence(ScoredIntegrator):
    """Score = confidence: a teacher weighs what it gives to the user's real choice. The ablation without consistency.

    Args:
        gamma: temperature of the weights.
        gate: ``False`` lets all instances weigh the same.
    """

    def score(self, opinions: Opinions) -> Tensor:
        """Confidence."""
        return opinions.confidence
