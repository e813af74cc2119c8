"""The interface of a distillation loss."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from ckd_plugins.distillation.target import Target
from ckd_plugins.errors import ConfigError

__all__ = ["Loss", "check_tau"]


class Loss(nn.Module):
    """How far the student is from the target, row by row.

    A loss is a pure function of its tensors. The objective weighs the rows by the target's gate and takes the mean.
    """

    citation: ClassVar[str] = ""
    """BibTeX of the source, for generated model cards."""

    def __init__(self) -> None:
        # A signature of our own: nn.Module's takes any option, and configurations are checked against it.
        super().__init__()

    @property
    def linear(self) -> bool:
        """Whether it is, but for a constant of the target, a cross-entropy with the student's softmax at temperature 1.

        Such a loss can be worked along with the student's own softmax: :meth:`from_cross_entropy`.
        """
        return False

    def from_cross_entropy(self, cross_entropy: Tensor, entropy: Tensor) -> dict[str, Tensor]:
        """Return what :meth:`forward` would, from cross-entropies that are known already; of linear losses only.

        Args:
            cross_entropy: ``[B]``, of target and student, in nats.
            entropy: ``[B]``, of the target.
        """
        raise NotImplementedError(f"{type(self).__name__} is not linear")

    def set_temperature(self, tau: float) -> None:
        """Take another temperature; a schedule does so before an epoch.

        Losses that keep theirs as an attribute ``tau`` need nothing of their own.

        Raises:
            ConfigError: the loss has none, or ``tau`` is not above 0.
        """
        if not hasattr(self, "tau"):
            raise ConfigError(f"loss {type(self).__name__} has no temperature that could change; make it a number")
        self.tau = check_tau(tau, type(self).__name__)

    def set_epoch(self, epoch: int) -> None:
        """Learn which epoch begins (from 0), before its first batch."""

    @abstractmethod
    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Compare the student with the target.

        Args:
            student: ``[B, C]`` raw scores, with gradient.
            target: the teachers' joint opinion; its gate is not applied here.
            mask: bool ``[B, C]``, ``False`` = not a candidate of that row; ``None`` allows everything.

        Returns:
            Named terms, each ``[B]`` and finite; the loss of a row is their sum.
        """


def check_tau(tau: float, loss: str) -> float:
    """Return ``tau``, or say that a temperature must be positive."""
    if not tau > 0:
        raise ConfigError(f"loss {loss}: tau must be above 0, not {tau}")
    return float(tau)
