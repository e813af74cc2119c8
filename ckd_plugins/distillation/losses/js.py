"""Loss: generalised Jensen-Shannon divergence."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from ckd_plugins.distillation.losses.base import Loss, check_tau
from ckd_plugins.distillation.numerics import in_float, masked_log_softmax
from ckd_plugins.distillation.target import Target
from ckd_plugins.errors import ConfigError

__all__ = ["JensenShannon"]


class JensenShannon(Loss):
    r"""Between forward and reverse divergence, and bounded: a row cannot dominate the batch.

    .. math::

        \ell_u = \tau^2 \big[ \beta\, \mathrm{KL}(p_u \Vert m_u) + (1 - \beta)\, \mathrm{KL}(q_u \Vert m_u) \big],
        \qquad m_u = \beta p_u + (1 - \beta) q_u

    with :math:`q_u = \mathrm{softmax}(y_u / \tau)`; :math:`\beta = 1/2` is symmetric and at most :math:`\tau^2 \log 2`.

    Source: Lin, "Divergence Measures Based on the Shannon Entropy", 1991; as distillation: Agarwal et al., "On-Policy
    Distillation of Language Models", ICLR 2024 (arXiv:2306.13649).

    Args:
        tau: the student's temperature.
        beta: share of the target in the mixture, above 0 and below 1.

    Terms: ``js``.

    Raises:
        ConfigError: ``beta`` or ``tau`` is out of range.
    """

    citation: ClassVar[str] = (
        "@inproceedings{agarwal2024onpolicy, title={On-Policy Distillation of Language Models: Learning from "
        "Self-Generated Mistakes}, author={Agarwal, Rishabh and Vieillard, Nino and Zhou, Yongchao and Stanczyk, Piotr "
        "and Ramos, Sabela and Geist, Matthieu and Bachem, Olivier}, booktitle={ICLR}, year={2024}}"
    )

    def __init__(self, *, tau: float = 1.0, beta: float = 0.5) -> None:
        super().__init__()
        self.tau = check_tau(tau, "js")
        if not 0 < beta < 1:
            raise ConfigError(
                f"loss js: beta must be between 0 and 1, not {beta}; the ends are the losses 'kl' and 'reverse_kl'"
            )
        self.beta = beta

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``{"js": [B]}``."""
        log_q = masked_log_softmax(in_float(student) / self.tau, mask)
        log_p = target.log_probs
        log_m = torch.logaddexp(log_p + math.log(self.beta), log_q + math.log1p(-self.beta))
        from_target = (log_p.exp() * (log_p - log_m)).sum(dim=-1)
        from_student = (log_q.exp() * (log_q - log_m)).sum(dim=-1)
        return {"js": self.tau**2 * (self.beta * from_target + (1 - self.beta) * from_student)}
