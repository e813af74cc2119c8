"""What an objective weighs, and how that and the temperature change over the epochs."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ckd_plugins.distillation.losses.base import Loss
from ckd_plugins.distillation.output import check_weight

__all__ = ["Weighted"]


class Weighted(nn.Module):
    r"""The base of the objectives: a loss with a weight.

    Args:
        loss: compares the student with the target.
        weight: :math:`\lambda`, not negative.

    Raises:
        ConfigError: the weight is out of range.
    """

    weight: float
    r""":math:`\lambda`. May be set between batches; at 0 nothing is drawn, read or computed."""
    factor: float
    r"""What a balance multiplies :math:`\lambda` with; above 0."""

    def __init__(self, loss: Loss, weight: float) -> None:
        super().__init__()
        self.criterion = loss
        self.weight, self.factor = check_weight(weight), 1.0
        self._weight: Callable[[int], float] | None = None
        self._temperature: Callable[[int], float] | None = None
        self._tau = 1.0

    @property
    def scale(self) -> float:
        r"""What the mean of the rows' losses is multiplied with: ``weight * factor``."""
        return self.weight * self.factor

    def follow(
        self,
        *,
        weight: Callable[[int], float] | None = None,
        temperature: Callable[[int], float] | None = None,
    ) -> None:
        """Let weight and temperature be set anew at every :meth:`set_epoch`.

        Args:
            weight: epoch, from 0, to weight; ``None`` leaves the weight alone.
            temperature: epoch to the loss's temperature; ``None`` leaves that alone.
        """
        self._weight, self._temperature = weight, temperature
        self._set(0)

    def set_epoch(self, epoch: int) -> None:
        """Tell the loss which epoch begins, and set what follows a schedule."""
        self._set(epoch)
        self.criterion.set_epoch(epoch)

    def settings(self) -> dict[str, float]:
        """What follows a schedule, as it is now, for the log: ``schedule/weight``, ``schedule/temperature``."""
        found = {}
        if self._weight is not None:
            found["schedule/weight"] = self.weight
        if self._temperature is not None:
            found["schedule/temperature"] = self._tau
        return found

    def _set(self, epoch: int) -> None:
        if self._weight is not None:
            self.weight = check_weight(self._weight(epoch))
        if self._temperature is not None:
            self._tau = self._temperature(epoch)
            self.criterion.set_temperature(self._tau)
