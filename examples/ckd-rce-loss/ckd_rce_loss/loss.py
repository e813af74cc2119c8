"""Loss: two cross-entropies over best items, balanced by how many of them teachers and student share."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ckd_plugins.distillation import Loss, Target
from ckd_plugins.distillation.numerics import masked_log_softmax

__all__ = ["RejuvenatedCrossEntropy"]


class RejuvenatedCrossEntropy(Loss):
    r"""Cross-entropy on sets of items for which it bounds NDCG, after RCE-KD.

    Let :math:`T` be the target's best ``top`` candidates and :math:`S` the student's. Cross-entropy on a set bounds
    NDCG only if the set holds whatever the student ranks above any of its items. :math:`S` is such a set; :math:`T` as
    a rule is none, so that what the student overlooks, :math:`T \setminus S`, is joined by the student's best
    ``closure`` candidates :math:`S_L`:

    .. math::

        \ell_u = (1 - \gamma_u)\, \mathrm{CE}(S) + \gamma_u\, \mathrm{CE}\big((T \setminus S) \cup S_L\big), \qquad
        \gamma_u = \exp\Big(-\beta\, \frac{|T \cap S|}{|T|}\Big)

    where :math:`\mathrm{CE}(J) = -\sum_{j \in J} p_J(j) \log q_J(j)` with both distributions renormalised over
    :math:`J`. While the two agree on little, the second term counts; later the first.

    Source: Zhu & Zhang, "Rejuvenating Cross-Entropy Loss in Knowledge Distillation for Recommender Systems", ICLR 2026
    (arXiv:2509.20989), as told by a summary of the paper and a public program; the paper itself was not read. What
    differs:

    - The published method draws the items that join :math:`T \setminus S` at random, each the likelier the more items
      of :math:`T \setminus S` the student ranks below it. That makes the student's best items the likeliest, and they
      are taken here without drawing: a loss is a pure function of its tensors.
    - "Best" is among the candidates of the batch. Only with the candidates ``full`` is it among all items.
    - Sets follow the student at every step, not once an epoch.
    - The target is the integrated distribution of all teachers.

    Args:
        top: items of :math:`T` and of :math:`S`.
        closure: items of :math:`S_L`.
        beta: how fast the weight moves to the student's items as the overlap grows; 0 leaves it on the teachers'.
        tau: the student's temperature.

    Terms: ``rce_student`` and ``rce_teacher``, each with its weight.

    Raises:
        ValueError: an argument is out of range.
    """

    citation: ClassVar[str] = (
        "@inproceedings{zhu2026rejuvenating, title={Rejuvenating Cross-Entropy Loss in Knowledge Distillation for "
        "Recommender Systems}, author={Zhu, Zhangchi and Zhang, Wei}, booktitle={ICLR}, year={2026}}"
    )

    def __init__(self, *, top: int = 20, closure: int = 50, beta: float = 1.0, tau: float = 1.0) -> None:
        super().__init__()
        if top < 1 or closure < 1:
            raise ValueError(f"top and closure must be 1 or more, not {top} and {closure}")
        if not beta >= 0 or not tau > 0:
            raise ValueError(f"beta must be 0 or more and tau above 0, not {beta} and {tau}")
        self.top, self.closure, self.beta, self.tau = top, closure, beta, tau

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``{"rce_student": [B], "rce_teacher": [B]}``."""
        scores = student / self.tau
        with torch.no_grad():
            of_student = best(scores, self.top, mask)
            of_target = best(target.log_probs, self.top, mask)
            overlap = (of_student & of_target).sum(dim=-1) / of_target.sum(dim=-1).clamp_min(1)
            gamma = torch.exp(-self.beta * overlap)
            closed = (of_target & ~of_student) | best(scores, self.closure, mask)
        return {
            "rce_student": (1 - gamma) * cross_entropy(scores, target.log_probs, of_student),
            "rce_teacher": gamma * cross_entropy(scores, target.log_probs, closed),
        }


def best(values: Tensor, count: int, mask: Tensor | None) -> Tensor:
    """Whether a candidate is among the ``count`` allowed ones with the largest values: bool ``[B, C]``."""
    allowed = values if mask is None else values.masked_fill(~mask, torch.finfo(values.dtype).min)
    places = allowed.topk(min(count, values.shape[-1]), dim=-1).indices
    chosen = torch.zeros(values.shape, dtype=torch.bool, device=values.device).scatter_(-1, places, True)
    return chosen if mask is None else chosen & mask


def cross_entropy(scores: Tensor, log_probs: Tensor, among: Tensor) -> Tensor:
    """Cross-entropy ``[B]`` of two distributions over ``C``, both restricted to the candidates ``among`` ``[B, C]``."""
    wanted = masked_log_softmax(log_probs, among).exp()
    return -(wanted * masked_log_softmax(scores, among).masked_fill(~among, 0.0)).sum(dim=-1)
