"""Loss: which of two candidates the target holds likelier, pair by pair."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ckd_plugins.distillation.losses.base import Loss, check_tau
from ckd_plugins.distillation.numerics import in_float
from ckd_plugins.distillation.target import Target
from ckd_plugins.errors import ConfigError

__all__ = ["Pairwise"]


class Pairwise(Loss):
    r"""The student orders pairs of candidates as surely as the target does.

    .. math::

        \ell_u = \frac{\sum_{i \in T} p_u(i)\, \frac{1}{C - 1} \sum_{j \ne i} -\log \sigma\big((y_i - y_j) / \tau\big)}
        {\sum_{i \in T} p_u(i)}

    with :math:`T` the target's ``top`` likeliest candidates: BPR's loss of a positive that is drawn from the target and
    a negative that is any other candidate, in expectation. With all candidates in :math:`T` it is RankNet's
    cross-entropy of each pair, :math:`-\bar P_{ij} \log \sigma(d_{ij}) - (1 - \bar P_{ij}) \log \sigma(-d_{ij})` with
    :math:`d_{ij} = (y_i - y_j) / \tau` and the target's own
    :math:`\bar P_{ij} = p_u(i) / (p_u(i) + p_u(j)) = \sigma(\log p_u(i) - \log p_u(j))`, weighted by the mass of the
    pair :math:`p_u(i) + p_u(j)`; it is least where :math:`y = \tau \log p_u` up to a constant. Pairs of which neither
    is in :math:`T` are left out.

    Source: Burges et al., "Learning to Rank using Gradient Descent", ICML 2005 (RankNet's soft target
    probabilities); Rendle et al., "BPR", UAI 2009; the top against the rest, as distillation: Reddi et al.,
    "RankDistil", AISTATS 2021. Drawing the positive from the target, and so the weights, is ours.

    Args:
        top: likeliest candidates that are compared with all others; costs ``top`` times what a softmax does.
        tau: the student's temperature.

    Terms: ``pairwise``.

    Raises:
        ConfigError: ``top`` or ``tau`` is out of range.
    """

    citation: ClassVar[str] = (
        "@inproceedings{burges2005ranknet, title={Learning to Rank using Gradient Descent}, author={Burges, Chris and "
        "Shaked, Tal and Renshaw, Erin and Lazier, Ari and Deeds, Matt and Hamilton, Nicole and Hullender, Greg}, "
        "booktitle={ICML}, year={2005}}"
    )

    def __init__(self, *, top: int = 10, tau: float = 1.0) -> None:
        super().__init__()
        if top < 1:
            raise ConfigError(f"loss pairwise: top must be 1 or more, not {top}")
        self.top = top
        self.tau = check_tau(tau, "pairwise")

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``{"pairwise": [B]}``."""
        scores, order = in_float(student) / self.tau, target.log_probs
        if mask is not None:
            # So low that it loses nothing to anybody, and that no gradient reaches it.
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min / 4)
            order = order.masked_fill(~mask, torch.finfo(order.dtype).min)
        found = order.topk(min(self.top, order.shape[-1]), dim=-1)
        # Masses relative to the likeliest: what follows divides by their sum.
        mass, best = (found.values - found.values[..., :1]).exp(), scores.gather(-1, found.indices)
        others: int | Tensor = max(1, scores.shape[-1] - 1)
        if mask is not None:
            listed = mask.gather(-1, found.indices)
            mass, best = mass.masked_fill(~listed, 0.0), best.masked_fill(~listed, 0.0)
            others = (mask.sum(dim=-1, keepdim=True) - 1).clamp_min(1)
        # Place by place: [B, top, C] at once is three times slower. A positive loses log 2 to itself, taken off again.
        against = [functional.softplus(scores - one.unsqueeze(-1)).sum(dim=-1) for one in best.unbind(dim=-1)]
        lost = torch.stack(against, dim=-1) - math.log(2.0)
        shares = mass / mass.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(mass.dtype).tiny)
        return {"pairwise": (shares * lost / others).sum(dim=-1)}
