"""Loss: reverse Kullback-Leibler divergence."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ckd_plugins.distillation.losses.base import Loss, check_tau
from ckd_plugins.distillation.numerics import LOG_FLOOR, in_float, masked_log_softmax
from ckd_plugins.distillation.target import Target

__all__ = ["ReverseKL"]


class ReverseKL(Loss):
    r"""The student avoids what the teachers hold unlikely, and may leave out some of what they hold likely.

    .. math:: \ell_u = \tau^2 \sum_j q_u(j) \log \frac{q_u(j)}{p_u(j)}, \qquad q_u = \mathrm{softmax}(y_u / \tau)

    Mode-seeking where :class:`KLDivergence` is mode-covering. :math:`\log p_u` is cut at -100 nats.

    Source: Gu et al., "MiniLLM: Knowledge Distillation of Large Language Models", ICLR 2024 (arXiv:2306.08543).

    Args:
        tau: the student's temperature.

    Terms: ``reverse_kl``.
    """

    whole: ClassVar[bool] = True
    citation: ClassVar[str] = (
        "@inproceedings{gu2024minillm, title={{MiniLLM}: Knowledge Distillation of Large Language Models}, author={Gu, "
        "Yuxian and Dong, Li and Wei, Furu and Huang, Minlie}, booktitle={ICLR}, year={2024}}"
    )

    def __init__(self, *, tau: float = 1.0) -> None:
        super().__init__()
        self.tau = check_tau(tau, "reverse_kl")

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``{"reverse_kl": [B]}``."""
        log_q = masked_log_softmax(in_float(student) / self.tau, mask)
        if mask is not None:  # an item left out has q = 0; any finite number will do for its log-probabilities
            difference = (log_q - target.log_probs.clamp_min(LOG_FLOOR)).masked_fill(~mask, 0.0)
        else:
            difference = log_q - target.log_probs.clamp_min(LOG_FLOOR)
        return {"reverse_kl": self.tau**2 * (log_q.exp() * difference).sum(dim=-1)}
