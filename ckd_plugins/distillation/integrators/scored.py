"""What integrators share that weigh teachers and instances by one score."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from ckd_plugins.distillation.integrators.base import Integrator, Opinions
from ckd_plugins.distillation.integrators.measures import gate_over, softmax_over_known
from ckd_plugins.errors import ConfigError

__all__ = ["ScoredIntegrator"]


class ScoredIntegrator(Integrator):
    r"""Weighs teachers and instances by one score in [0, 1].

    .. math::

        w_u^k = \frac{\exp(s_u^k / \gamma)}{\sum_m \exp(s_u^m / \gamma)}, \qquad
        \pi_u = \frac{1}{K_u} \sum_k s_u^k

    both over the teachers that know the row.

    Args:
        gamma: temperature of the weights; towards 0 the best teacher takes all, towards infinity all weigh the same.
        gate: ``False`` lets all instances weigh the same.

    Raises:
        ConfigError: ``gamma`` is not positive.
    """

    def __init__(self, *, gamma: float = 0.1, gate: bool = True) -> None:
        super().__init__()
        if not gamma > 0:
            raise ConfigError(f"integrator: gamma must be above 0, not {gamma}")
        self.gamma = gamma
        self.gate = gate

    @abstractmethod
    def score(self, opinions: Opinions) -> Tensor:
        """Score each teacher on each instance: ``[K, B]``."""

    def weigh(self, opinions: Opinions) -> tuple[Tensor, Tensor]:
        """Softmax of the scores over the teachers, and their mean as gate."""
        score = self.score(opinions)
        weights = softmax_over_known(score, opinions.known, self.gamma)
        gate = gate_over(score, opinions.known) if self.gate else torch.ones_like(score[0])
        return weights, gate
