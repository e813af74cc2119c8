"""Schedule: a sigmoid."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ckd_plugins.curriculum import Schedule

__all__ = ["Sigmoid"]


@dataclass(frozen=True)
class Sigmoid(Schedule):
    r"""Competence along a sigmoid, scaled to run from ``start`` to 1.

    .. math::

        c(t) = c_0 + (1 - c_0)\, \frac{\sigma(s (t/T - 1/2)) - \sigma(-s/2)}{\sigma(s/2) - \sigma(-s/2)}

    Raises:
        ValueError: a number is out of range.
    """

    start: float = 0.2
    """Competence :math:`c_0` at the beginning: above 0, at most 1."""
    until: float = 0.5
    """Progress :math:`T` from which on the competence is 1: above 0, at most 1. A run sets it."""
    steepness: float = 8.0
    """:math:`s`, above 0; towards 0 the curve is a straight line."""

    def __post_init__(self) -> None:
        for name in ("start", "until"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"schedule sigmoid: {name} must be above 0 and at most 1, not {getattr(self, name)}")
        if not 0 < self.steepness <= 100:
            raise ValueError(f"schedule sigmoid: steepness must be above 0 and at most 100, not {self.steepness}")

    def __call__(self, progress: float) -> float:
        """Return the competence at ``progress``."""
        share = progress / self.until
        if share >= 1:
            return 1.0
        low, high = _sigmoid(-self.steepness / 2), _sigmoid(self.steepness / 2)
        grown = (_sigmoid(self.steepness * (max(share, 0.0) - 0.5)) - low) / (high - low)
        return self.start + (1 - self.start) * grown


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
