"""The default integrator: confidence times consistency."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ckd_plugins.distillation.integrators.base import Opinions
from ckd_plugins.distillation.integrators.scored import ScoredIntegrator

__all__ = ["ConfidenceConsistency"]


class ConfidenceConsistency(ScoredIntegrator):
    r"""Score :math:`s_u^k = \mathrm{conf}_u^k \, \mathrm{cons}_u^k`: right about the user, and not alone with it.

    Source: CKD-MDSR (arXiv:2401.00797) integrates "in consideration of their confidence and consistency", at instance
    level; its equations could not be read, so the product, the softmax and the gate are reconstructed.
    See :func:`~ckd_plugins.distillation.integrators.measures.confidence` and
    :func:`~ckd_plugins.distillation.integrators.measures.consistency`.

    Args:
        gamma: temperature of the weights.
        gate: ``False`` lets all instances weigh the same.
    """

    citation: ClassVar[str] = (
        "@article{sun2025curriculum, title={Curriculum-scheduled Knowledge Distillation from Multiple Pre-trained "
        "Teachers for Multi-domain Sequential Recommendation}, author={Sun, Wenqi and Xie, Ruobing and Zhang, Junjie "
        "and Zhao, Wayne Xin and Lin, Leyu and Wen, Ji-Rong}, journal={World Wide Web}, volume={28}, year={2025}}"
    )

    def score(self, opinions: Opinions) -> Tensor:
        """Confidence times consistency."""
        return opinions.confidence * opinions.consistency
