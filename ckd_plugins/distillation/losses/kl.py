"""Loss: Kullback-Leibler divergence of the student from the target."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from ckd_plugins.distillation.losses.base import Loss, check_tau
from ckd_plugins.distillation.numerics import in_float, masked_log_softmax
from ckd_plugins.distillation.target import Target

__all__ = ["KLDivergence"]


class KLDivergence(Loss):
    r"""The default: the student covers all that the teachers hold likely.

    .. math:: \ell_u = \tau^2 \sum_j p_u(j) \log \frac{p_u(j)}{q_u(j)}, \qquad q_u = \mathrm{softmax}(y_u / \tau)

    with the integrated target :math:`p_u` and the student's scores :math:`y_u`; :math:`\tau^2` keeps the size of the
    gradient when the temperature changes.

    Source: Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015 (arXiv:1503.02531). In CKD-MDSR
    (arXiv:2401.00797) the form of the loss is not known; this one is reconstructed.

    Args:
        tau: the student's temperature. (The teachers' temperatures belong to the teachers.)

    Terms: ``kl``.
    """

    citation: ClassVar[str] = (
        "@article{hinton2015distilling, title={Distilling the Knowledge in a Neural Network}, author={Hinton, Geoffrey "
        "and Vinyals, Oriol and Dean, Jeff}, journal={arXiv preprint arXiv:1503.02531}, year={2015}}"
    )

    def __init__(self, *, tau: float = 1.0) -> None:
        super().__init__()
        self.tau = check_tau(tau, "kl")

    @property
    def linear(self) -> bool:
        """At temperature 1."""
        return self.tau == 1

    def from_cross_entropy(self, cross_entropy: Tensor, entropy: Tensor) -> dict[str, Tensor]:
        """The divergence is the cross-entropy less the target's entropy."""
        return {"kl": cross_entropy - entropy}

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``{"kl": [B]}``."""
        log_q = masked_log_softmax(in_float(student) / self.tau, mask)
        divergence = functional.kl_div(log_q, target.log_probs, reduction="none", log_target=True).sum(dim=-1)
        return {"kl": self.tau**2 * divergence}
