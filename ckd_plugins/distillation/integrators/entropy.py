"""Integrator: low entropy alone."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ckd_plugins.distillation.integrators.base import Opinions
from ckd_plugins.distillation.integrators.measures import certainty
from ckd_plugins.distillation.integrators.scored import ScoredIntegrator

__all__ = ["Entropy"]


class Entropy(ScoredIntegrator):
    r"""Score :math:`s_u^k = 1 - H(p_u^k) / \log C_u^k`: a teacher weighs as it is sure, rightly or wrongly.

    :math:`C_u^k` is the number of candidates of the row that the teacher knows. Reads no targets. It trusts a teacher
    with a low temperature more: calibrate teachers first, or compare with ``confidence``.

    Source: Kwon et al., "Adaptive Knowledge Distillation Based on Entropy", ICASSP 2020, who give the teacher of lower
    entropy the larger share; normalised entropy, the softmax over teachers and the gate are ours.

    Args:
        gamma: temperature of the weights.
        gate: ``False`` lets all instances weigh the same.
    """

    citation: ClassVar[str] = (
        "@inproceedings{kwon2020adaptive, title={Adaptive Knowledge Distillation Based on Entropy}, author={Kwon, "
        "Kisoo and Na, Hwidong and Lee, Hoshik and Kim, Nam Soo}, booktitle={ICASSP}, pages={7409--7413}, year={2020}}"
    )

    def score(self, opinions: Opinions) -> Tensor:
        """One minus the normalised entropy."""
        return certainty(opinions.log_probs.exp(), opinions.log_probs, opinions.mask)
