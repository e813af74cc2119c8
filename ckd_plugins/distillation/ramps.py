"""How a number goes from one value to another: ``share of the epochs that are over -> share of the way``, in [0, 1].

With the ends ``a`` and ``b`` and ``N`` epochs, the number in epoch ``e`` (from 0) is ``a + (b - a) * ramp(e / N)``, and
``b`` from epoch ``N`` on.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from ckd_plugins.errors import ConfigError

__all__ = ["Cosine", "Hold", "Linear", "Ramp", "Steps"]


class Ramp(ABC):
    """A function from [0, 1] to [0, 1]; the ends, 0 at 0 and 1 at 1, are kept for it."""

    @abstractmethod
    def __call__(self, share: float) -> float:
        """Return the share of the way after ``share`` of the epochs."""


class Linear(Ramp):
    """As far every epoch: ``f(s) = s``.

    Source: the gradual warm-up of Goyal et al., "Accurate, Large Minibatch SGD", 2017 (arXiv:1706.02677), section 2.2,
    there of the learning rate.
    """

    def __call__(self, share: float) -> float:
        """Return ``share``."""
        return share


class Cosine(Ramp):
    r"""Slow at both ends: :math:`f(s) = (1 - \cos \pi s) / 2`.

    Source: Loshchilov & Hutter, "SGDR", ICLR 2017 (arXiv:1608.03983), equation 5, there of the learning rate.
    """

    def __call__(self, share: float) -> float:
        """Half a wave of the cosine."""
        return (1 - math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Steps(Ramp):
    r"""Stages of equal duration, the first at ``from``: :math:`f(s) = \lfloor n s \rfloor / n`."""

    count: int = 2
    """Steps ``n`` up (or down) to ``to``, at least 1."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"ramp steps: count must be 1 or more, not {self.count}")

    def __call__(self, share: float) -> float:
        """Return the stage that ``share`` lies in."""
        # 3 * (1 / 3) is 1, but 49 * (1 / 49) is a hair less.
        return math.floor(self.count * share + 1e-9) / self.count


class Hold(Ramp):
    """The constant warm-up: ``from`` all the way, and ``to`` from then on: ``f(s) = 0``.

    ``{name: hold, from: 0, to: 2, epochs: 3}`` trains plainly for three epochs and then distils. Source: Goyal et al.,
    2017, section 2.2, there of the learning rate.
    """

    def __call__(self, share: float) -> float:
        """Return 0."""
        return 0.0
