"""Loss: squared error of standardised scores."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ckd_plugins.distillation.losses.base import Loss
from ckd_plugins.distillation.numerics import LOG_FLOOR, masked_standardize
from ckd_plugins.distillation.target import Target

__all__ = ["StandardizedMSE"]


class StandardizedMSE(Loss):
    r"""The student's scores resemble the target's up to a shift and a scale of each row.

    .. math:: \ell_u = \frac{1}{C} \sum_j \big( z(y_u)_j - z(\log p_u)_j \big)^2, \qquad
        z(x) = \frac{x - \mathrm{mean}(x)}{\sqrt{\mathrm{var}(x) + \epsilon}}

    which is :math:`2 (1 - \rho)` with Pearson's correlation :math:`\rho`. Log-probabilities are the teacher's scores up
    to what ``z`` takes out anyway. Unlike the divergences it minds the tail as much as the top.
    :math:`\log p_u` is cut at -100 nats.

    Source: Ba & Caruana, "Do Deep Nets Really Need to be Deep?", NeurIPS 2014 (regression on logits); Sun et al.,
    "Logit Standardization in Knowledge Distillation", CVPR 2024 (arXiv:2403.01427).

    Terms: ``mse``.
    """

    whole: ClassVar[bool] = True
    citation: ClassVar[str] = (
        "@inproceedings{sun2024logit, title={Logit Standardization in Knowledge Distillation}, author={Sun, Shangquan "
        "and Ren, Wenqi and Li, Jingzhi and Wang, Rui and Cao, Xiaochun}, booktitle={CVPR}, year={2024}}"
    )

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``{"mse": [B]}``."""
        wanted = masked_standardize(target.log_probs.clamp_min(LOG_FLOOR), mask)
        squared = (masked_standardize(student, mask) - wanted).square()
        if mask is None:
            return {"mse": squared.mean(dim=-1)}
        return {"mse": squared.sum(dim=-1) / mask.sum(dim=-1).clamp_min(1)}
