"""Balance: by variances that are learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ckd_plugins.distillation.balances.base import Balance
from ckd_plugins.errors import ConfigError

__all__ = ["Uncertainty"]


class Uncertainty(Balance):
    r"""Each loss counts by the inverse of a variance that is learned with it.

    .. math::

        e^{-s_1} \mathcal{L}_{\mathrm{own}} + \tfrac{1}{2} s_1
        + \lambda \big( e^{-s_2} \mathcal{L}_{\mathrm{distillation}} + \tfrac{1}{2} s_2 \big),
        \qquad s_i = \log \sigma_i^2

    so :math:`a = e^{-s_1}` and :math:`b = e^{-s_2}`: a loss that stays large is taken as noisy and counts less; in
    the end :math:`\sigma_i^2 = 2 \mathcal{L}_i`, so that each loss pulls in proportion to its relative, not its
    absolute change. Both :math:`s` start at 0, which is the fixed balance.

    The two numbers have an Adam of their own, stepped once a batch on the gradient above, which Adam scales to one
    size, :math:`\lambda` in or out: the student's optimizer is part of its checkpoint, and stays the plain model's.

    Source: Kendall, Gal & Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018
    (arXiv:1705.07115), equation 10 with both likelihoods the softmax's, as :math:`\log \sigma` in each. At
    :math:`\lambda = 1` this is its equation; :math:`\lambda` for the second task is of this package.

    Args:
        learning_rate: of the two log-variances.
        bound: both stay between minus and plus this; a loss that goes to 0 would count without limit.

    Raises:
        ConfigError: a number is out of range.
    """

    citation: ClassVar[str] = (
        "@inproceedings{kendall2018multi, title={Multi-Task Learning Using Uncertainty to Weigh Losses for Scene "
        "Geometry and Semantics}, author={Kendall, Alex and Gal, Yarin and Cipolla, Roberto}, booktitle={CVPR}, "
        "year={2018}}"
    )

    def __init__(self, *, learning_rate: float = 0.01, bound: float = 5.0) -> None:
        if not 0 < learning_rate < math.inf:
            raise ConfigError(f"balance uncertainty: learning_rate must be above 0, not {learning_rate}")
        if not 0 < bound < math.inf:
            raise ConfigError(f"balance uncertainty: bound must be above 0, not {bound}")
        self.bound = bound
        self.log_variances = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        """``[2]``: of the own loss, of the distillation."""
        self._optimizer = torch.optim.Adam([self.log_variances], lr=learning_rate)

    def shares(self) -> tuple[float, float]:
        """Both inverse variances."""
        own, distillation = (-self.log_variances.detach()).exp().tolist()
        return own, distillation

    def see(self, own: Tensor, distillation: Tensor, parameters: Sequence[Tensor]) -> None:
        """Step the log-variances."""
        losses = torch.stack([own.detach().double(), distillation.detach().double()]).cpu()
        if not bool(torch.isfinite(losses).all()):
            return  # RecBole stops the run, and says so
        # Adam takes the gradient's size out, so that lambda, a factor of the second part, has no place here.
        total = ((-self.log_variances).exp() * losses + self.log_variances / 2).sum()
        (self.log_variances.grad,) = torch.autograd.grad(total, [self.log_variances])
        self._optimizer.step()
        with torch.no_grad():
            self.log_variances.clamp_(-self.bound, self.bound)
