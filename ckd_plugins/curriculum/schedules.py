"""How the share of usable rows grows: ``progress in [0, 1] -> competence in (0, 1]``.

Progress is the share of training that is over. Every schedule starts at ``start`` and has all rows from ``until`` on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ckd_plugins.errors import ConfigError

__all__ = ["Geometric", "Linear", "Root", "Schedule", "Steps"]


class Schedule(ABC):
    """A function of progress that never falls and ends at 1."""

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """Return the competence, in (0, 1], at ``progress`` in [0, 1]."""


@dataclass(frozen=True)
class _Growing(Schedule):
    start: float = 0.2
    """Competence at the beginning: above 0, at most 1."""
    until: float = 0.5
    """Progress from which on the competence is 1: above 0, at most 1."""

    def __post_init__(self) -> None:
        kind = type(self).__name__.lower()
        if not 0 < self.start <= 1:
            raise ConfigError(f"schedule {kind}: start must be above 0 and at most 1, not {self.start}")
        if not 0 < self.until <= 1:
            raise ConfigError(f"schedule {kind}: until must be above 0 and at most 1, not {self.until}")

    def __call__(self, progress: float) -> float:
        """Return the competence at ``progress``."""
        share = min(max(progress / self.until, 0.0), 1.0)
        return 1.0 if share == 1.0 else min(1.0, self.grow(share))

    @abstractmethod
    def grow(self, share: float) -> float:
        """Return the competence after ``share`` in [0, 1) of the way."""


@dataclass(frozen=True)
class Linear(_Growing):
    r""":math:`c(t) = c_0 + (1 - c_0)\, t / T`: equally many new rows at every step.

    Source: Platanios et al., "Competence-based Curriculum Learning", NAACL 2019, equation of the linear competence.
    """

    def grow(self, share: float) -> float:
        """Linear in ``share``."""
        return self.start + (1 - self.start) * share


@dataclass(frozen=True)
class Root(_Growing):
    r""":math:`c(t) = \big( c_0^p + (1 - c_0^p)\, t / T \big)^{1/p}`: fewer new rows as they grow in number.

    Each row is new for about as long as any other. Source: Platanios et al., NAACL 2019 (root-p competence, p = 2).
    """

    power: float = 2.0
    """:math:`p`, at least 1 (1 is linear)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.power < float("inf"):
            raise ConfigError(f"schedule root: power must be 1 or more, not {self.power}")

    def grow(self, share: float) -> float:
        """Root of a straight line."""
        first = self.start**self.power
        return float((first + (1 - first) * share) ** (1 / self.power))


@dataclass(frozen=True)
class Geometric(_Growing):
    r""":math:`c(t) = c_0^{\,1 - t/T}`: long among the easy rows, then fast.

    Source: Penha & Hauff, "Curriculum Learning Strategies for IR", ECIR 2020 (geometric progression pacing).
    """

    def grow(self, share: float) -> float:
        """Geometric progression from ``start`` to 1."""
        return float(self.start ** (1 - share))


@dataclass(frozen=True)
class Steps(Schedule):
    """Stages of equal duration, each with its share of the rows: baby steps.

    Source: Bengio et al., "Curriculum Learning", ICML 2009; Spitkovsky et al., "From Baby Steps to Leapfrog", NAACL
    2010.
    """

    stages: Sequence[float] = (1 / 3, 2 / 3)
    """Competence of each stage, rising, above 0 and at most 1; all rows follow after the last."""
    until: float = 0.5
    """Progress at which the last stage ends: above 0, at most 1."""

    def __post_init__(self) -> None:
        stages = tuple(float(stage) for stage in self.stages)
        object.__setattr__(self, "stages", stages)
        if not stages or any(not 0 < stage <= 1 for stage in stages) or list(stages) != sorted(stages):
            raise ConfigError(f"schedule steps: stages must rise, each above 0 and at most 1, not {list(stages)}")
        if not 0 < self.until <= 1:
            raise ConfigError(f"schedule steps: until must be above 0 and at most 1, not {self.until}")

    def __call__(self, progress: float) -> float:
        """Return the competence of the stage at ``progress``."""
        if progress >= self.until:  # the last end, computed below, may lie above it by rounding
            return 1.0
        ends = [self.until * (n + 1) / len(self.stages) for n in range(len(self.stages))]
        stage = bisect_right(ends, progress)
        return self.stages[stage] if stage < len(self.stages) else 1.0
