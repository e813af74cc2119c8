"""Integrator: the best teacher of each instance, alone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ckd_plugins.distillation.integrators.base import Integrator, Opinions

__all__ = ["Best"]


class Best(Integrator):
    r"""The teacher with the highest confidence in the row's real choice teaches the row, and nobody else.

    .. math::

        w_u^k = \frac{[k \in A_u]}{|A_u|}, \qquad A_u = \arg\max_k \mathrm{conf}_u^k, \qquad
        \pi_u = \max_k \mathrm{conf}_u^k

    over the teachers that know the row; equals share. What ``confidence`` becomes for :math:`\gamma \to 0`, but for the
    gate.

    Source: the hard form of Zhang, Chen & Wang, "Confidence-Aware Multi-Teacher Knowledge Distillation", ICASSP 2022
    (arXiv:2201.00007), whose weights for each sample grow with what a teacher gives to its label. Taking one teacher
    only, and the gate, are ours.

    Args:
        gate: ``False`` lets all instances weigh the same.
    """

    citation: ClassVar[str] = (
        "@inproceedings{zhang2022confidence, title={Confidence-Aware Multi-Teacher Knowledge Distillation}, "
        "author={Zhang, Hailin and Chen, Defang and Wang, Can}, booktitle={ICASSP}, year={2022}}"
    )

    def __init__(self, *, gate: bool = True) -> None:
        super().__init__()
        self.gate = gate

    def weigh(self, opinions: Opinions) -> tuple[Tensor, Tensor]:
        """All weight on the most confident teachers; the gate is their confidence."""
        score = opinions.confidence.masked_fill(~opinions.known, -1.0)
        highest = score.amax(dim=0)
        chosen = ((score == highest) & opinions.known).to(score.dtype)
        weights = chosen / chosen.sum(dim=0).clamp_min(1.0)
        return weights, highest.clamp_min(0.0) if self.gate else torch.ones_like(highest)
