"""The interface of a distillation loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from ckd_plugins.distillation.target import Target
from ckd_plugins.errors import ConfigError

__all__ = ["Loss", "VectorShape", "check_tau"]


@dataclass(frozen=True)
class VectorShape:
    """What is known of a teacher's vectors before the first batch."""

    width: int
    """Their length."""
    mean_squares: tuple[float, float]
    """Mean squared length of rows' and of items' vectors."""


class Loss(nn.Module):
    """How far the student is from the target, row by row.

    A loss is a pure function of its tensors. The objective weighs the rows by the target's gate and takes the mean.
    """

    citation: ClassVar[str] = ""
    """BibTeX of the source, for generated model cards."""
    compares: ClassVar[Literal["scores", "vectors"]] = "scores"
    """What it is given of the student: scores of the candidates, or the vectors that scores are products of. Not every
    student has the latter, nor every teacher."""
    whole: ClassVar[bool] = False
    """Whether it goes by how the target ranks its least likely candidates too: a target cut to a row's likeliest items
    says nothing of the others, and such a loss would take that for knowledge."""

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
            raise ConfigError(f"loss {type(self).__name__} has no temperature that could change; leave it out")
        self.tau = check_tau(tau, type(self).__name__)

    def set_epoch(self, epoch: int) -> None:
        """Learn which epoch begins (from 0), before its first batch."""

    def bind_vectors(self, width: int, teachers: Sequence[VectorShape]) -> None:
        """Learn the length of the student's vectors, and what the teachers' are like.

        Called once, before the first batch, of losses that compare vectors.
        """

    @abstractmethod
    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Compare the student with the target.

        Args:
            student: ``[B, C]`` raw scores in float32 or float64, with gradient. Of losses that compare vectors:
                ``[B, 2, d]``, the row's vector and the target item's.
            target: the teachers' joint opinion; its gate is not applied here. It has the teachers' vectors for losses
                that compare vectors.
            mask: bool ``[B, C]``, ``False`` = not a candidate of that row; ``None`` allows everything, or does not
                apply.

        Returns:
            Named terms, each ``[B]`` and finite; the loss of a row is their sum.
        """


def check_tau(tau: float, loss: str) -> float:
    """Return ``tau``, or say that a temperature must be positive."""
    if not tau > 0:
        raise ConfigError(f"loss {loss}: tau must be above 0, not {tau}")
    return float(tau)
