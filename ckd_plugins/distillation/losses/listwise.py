"""Loss: likelihood of the target's ranking."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ckd_plugins.distillation.losses.base import Loss, check_tau
from ckd_plugins.distillation.numerics import in_float
from ckd_plugins.distillation.target import Target
from ckd_plugins.errors import ConfigError

__all__ = ["ListMLE"]


class ListMLE(Loss):
    r"""The student ranks the target's best candidates in the target's order, above all others.

    .. math::

        \ell_u = -\frac{1}{n} \sum_{r=1}^{n} \log
        \frac{\exp(y_{\pi(r)} / \tau)}{\sum_{j=r}^{C} \exp(y_{\pi(j)} / \tau)}

    where :math:`\pi` sorts the candidates by the target, best first: the Plackett-Luce likelihood of the first
    :math:`n` places, whose denominators hold the remaining candidates in any order. Only the target's order counts, and
    among candidates without any mass there is none: fewer places are learnt then.
    The mean over the places (the papers sum) keeps the size of the loss when ``top`` changes.

    Source: Xia et al., "Listwise Approach to Learning to Rank", ICML 2008 (ListMLE); Kang et al., "DE-RRD", CIKM 2020
    (arXiv:2012.04357), equation of the relaxed ranking distillation.

    Args:
        top: places of the target's ranking that are learnt.
        tau: the student's temperature.

    Terms: ``listwise``.

    Raises:
        ConfigError: ``top`` or ``tau`` is out of range.
    """

    citation: ClassVar[str] = (
        "@inproceedings{kang2020derrd, title={{DE-RRD}: A Knowledge Distillation Framework for Recommender System}, "
        "author={Kang, SeongKu and Hwang, Junyoung and Kweon, Wonbin and Yu, Hwanjo}, booktitle={CIKM}, year={2020}}"
    )

    def __init__(self, *, top: int = 10, tau: float = 1.0) -> None:
        super().__init__()
        if top < 1:
            raise ConfigError(f"loss listwise: top must be 1 or more, not {top}")
        self.top = top
        self.tau = check_tau(tau, "listwise")

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``{"listwise": [B]}``."""
        scores = in_float(student) / self.tau
        order = target.log_probs
        lowest = torch.finfo(scores.dtype).min
        if mask is not None:
            scores = scores.masked_fill(~mask, lowest)
            order = order.masked_fill(~mask, torch.finfo(order.dtype).min)
        found = order.topk(min(self.top, order.shape[-1]), dim=-1)
        places = found.indices
        best = scores.gather(-1, places)
        # Denominators from the last place up: what is in none of the places first, then one place after the other.
        rest = torch.logsumexp(scores.scatter(-1, places, lowest), dim=-1, keepdim=True)
        upwards = torch.logcumsumexp(torch.cat([rest, best.flip(-1)], dim=-1), dim=-1)
        terms = upwards[..., 1:].flip(-1) - best
        # Among what the target gives no mass there is no order.
        allowed = found.values.exp() > 0
        return {"listwise": terms.masked_fill(~allowed, 0.0).sum(dim=-1) / allowed.sum(dim=-1).clamp_min(1)}
