"""Integrator: every teacher weighs the same."""

from __future__ import annotations

import torch
from torch import Tensor

from ckd_plugins.distillation.integrators.base import Integrator, Opinions

__all__ = ["UniformIntegrator"]


class UniformIntegrator(Integrator):
    r""":math:`w_u^k = 1 / K_u` over the teachers that know the row; every instance weighs the same.

    The mean ensemble: the ablation without confidence and consistency.
    """

    def weigh(self, opinions: Opinions) -> tuple[Tensor, Tensor]:
        """Equal weights, equal instances."""
        known = opinions.known.to(opinions.log_probs.dtype)
        return known / known.sum(dim=0).clamp_min(1), torch.ones_like(known[0])
