"""Integrator: a small gate network, trained beside the student."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ckd_plugins.distillation.integrators.base import Integrator, Opinions
from ckd_plugins.distillation.integrators.measures import certainty, softmax_over_known
from ckd_plugins.distillation.target import Target
from ckd_plugins.errors import ConfigError

__all__ = ["Learned"]

_MEASURES = 3
_LEAST = 1e-30
"""Likelihood below which a row says nothing about which teacher is right."""


class Learned(Integrator):
    r"""A gate network says how far each teacher is right about rows like this one.

    .. math::

        w_u^k = \frac{\exp g_u^k}{\sum_m \exp g_u^m}, \qquad
        g_u^k = a_k + v^\top \tanh(W x_u^k + b)

    over the teachers that know the row. The measures :math:`x_u^k` are the teacher's certainty
    (:math:`1 - H(p_u^k) / \log C`), its consistency with the others, and its confidence in the candidate that it holds
    likeliest. One network serves all teachers; :math:`a_k` is a teacher's own. At first all weigh the same; every
    instance always does.

    **What it minimises** is not the student's loss, which the teacher that is easiest to copy would make least, but

    .. math:: \ell_u^{\mathrm{gate}} = -\log \sum_k w_u^k \, p_u^k(i_u^+)

    the real choice's negative log-likelihood under the pooled distribution. Its gradient reaches the gate alone, and
    the student's loss reaches the student alone. Confidence in the *real* choice is no measure: the likelihood is made
    of it, so a gate that saw it would become the integrator ``best``. Rows whose target is no candidate, or to whose
    target no teacher gives anything, teach the gate nothing.

    The likelihood is that of training rows, which teachers may have been trained on: a teacher that remembers them
    looks better than it is.

    Source: Jacobs et al., "Adaptive Mixtures of Local Experts", Neural Computation 3(1), 1991 (gate and likelihood;
    here the experts are frozen); Smyth & Wolpert, "Linearly Combining Density Estimators via Stacking", Machine
    Learning 36, 1999 (weights of fixed densities by likelihood). The measures, and its use in distillation, are ours.

    Args:
        hidden: width of the network.

    Raises:
        ConfigError: ``hidden`` is not positive.
    """

    citation: ClassVar[str] = (
        "@article{jacobs1991adaptive, title={Adaptive Mixtures of Local Experts}, author={Jacobs, Robert A. and "
        "Jordan, Michael I. and Nowlan, Steven J. and Hinton, Geoffrey E.}, journal={Neural Computation}, volume={3}, "
        "number={1}, pages={79--87}, year={1991}}"
    )
    own_objective: ClassVar[bool] = True

    def __init__(self, *, hidden: int = 8) -> None:
        super().__init__()
        if hidden < 1:
            raise ConfigError(f"integrator learned: hidden must be 1 or more, not {hidden}")
        # Drawn from a generator of its own: the student's random numbers must not shift.
        self.inner = nn.Parameter(torch.randn(hidden, _MEASURES, generator=torch.Generator().manual_seed(0)))
        self.shift = nn.Parameter(torch.zeros(hidden))
        self.outer = nn.Parameter(torch.zeros(hidden))
        self.bias = nn.Parameter(torch.empty(0))

    def bind(self, teachers: Sequence[str]) -> None:
        """Give each teacher a bias."""
        self.bias = nn.Parameter(torch.zeros(len(teachers)))

    def weigh(self, opinions: Opinions) -> tuple[Tensor, Tensor]:
        """Softmax of the gate network over the teachers; equal instances."""
        log_probs = opinions.log_probs
        sure = certainty(log_probs.exp(), log_probs, opinions.mask)
        measures = torch.stack([sure, opinions.consistency, log_probs.amax(dim=-1).exp()], dim=-1).to(self.inner.dtype)
        gate = torch.tanh(measures @ self.inner.T + self.shift) @ self.outer + self.bias[:, None]
        weights = softmax_over_known(gate, opinions.known, 1.0).to(log_probs.dtype)
        return weights, torch.ones_like(weights[0])

    def own_loss(self, target: Target, column: Tensor) -> Tensor:
        """Return the real choice's negative log-likelihood ``[B]``, 0 in rows that teach the gate nothing."""
        likelihood = (target.weights * target.confidence).sum(dim=0)
        tells = (column >= 0) & (likelihood > _LEAST)
        return -torch.where(tells, likelihood, 1.0).log()
