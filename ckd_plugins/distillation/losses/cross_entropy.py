"""Loss: cross-entropy with the integrated distribution as soft labels."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ckd_plugins.distillation.losses.base import Loss, check_tau
from ckd_plugins.distillation.numerics import in_float, masked_log_softmax
from ckd_plugins.distillation.target import Target

__all__ = ["SoftCrossEntropy"]


class SoftCrossEntropy(Loss):
    r"""Soft labels.

    .. math:: \ell_u = -\tau^2 \sum_j p_u(j) \log q_u(j), \qquad q_u = \mathrm{softmax}(y_u / \tau)

    The gradient is that of :class:`KLDivergence`; the value differs by the target's entropy, so that it compares with
    the student's own cross-entropy instead of going to 0.

    Source: Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015 (arXiv:1503.02531), section 2.

    Args:
        tau: the student's temperature.

    Terms: ``cross_entropy``.
    """

    citation: ClassVar[str] = (
        "@article{hinton2015distilling, title={Distilling the Knowledge in a Neural Network}, author={Hinton, Geoffrey "
        "and Vinyals, Oriol and Dean, Jeff}, journal={arXiv preprint arXiv:1503.02531}, year={2015}}"
    )

    def __init__(self, *, tau: float = 1.0) -> None:
        super().__init__()
        self.tau = check_tau(tau, "cross_entropy")

    @property
    def linear(self) -> bool:
        """At temperature 1."""
        return self.tau == 1

    def from_cross_entropy(self, cross_entropy: Tensor, entropy: Tensor) -> dict[str, Tensor]:
        """The cross-entropy itself."""
        return {"cross_entropy": cross_entropy}

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``{"cross_entropy": [B]}``."""
        log_q = masked_log_softmax(in_float(student) / self.tau, mask)
        return {"cross_entropy": -(self.tau**2) * (target.log_probs.exp() * log_q).sum(dim=-1)}
