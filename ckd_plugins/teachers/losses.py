"""What teachers are trained with: softmax over cosines, against a batch or against all items."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["alignment", "cosine_cross_entropy", "in_batch_contrastive"]


def alignment(left: Tensor, right: Tensor, temperature: float) -> Tensor:
    r"""Return how badly two views of the same items find each other among all items of a batch.

    .. math::
        \ell = -\frac{1}{2n}\sum_j \Big(\log \frac{e^{\cos(l_j, r_j)/\tau}}{\sum_{j'} e^{\cos(l_j, r_{j'})/\tau}}
            + \log \frac{e^{\cos(l_j, r_j)/\tau}}{\sum_{j'} e^{\cos(l_{j'}, r_j)/\tau}}\Big)

    The symmetric loss of CLIP (Radford et al., ICML 2021, figure 3); 0 for no items.

    Args:
        left: ``[n, d]``.
        right: ``[n, d]``.
        temperature: divides the cosines.
    """
    logits = (F.normalize(left, dim=-1) / temperature) @ F.normalize(right, dim=-1).T
    itself = torch.arange(len(left), device=left.device)
    both = F.cross_entropy(logits, itself, reduction="sum") + F.cross_entropy(logits.T, itself, reduction="sum")
    return both / max(1, 2 * len(left))


def cosine_cross_entropy(states: Tensor, items: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Return the mean cross entropy of the targets under ``softmax(cos(state, item) / temperature)`` over all items.

    Args:
        states: ``[P, d]`` one a prediction.
        items: ``[n, d]`` all items.
        target: ``[P]`` item indices.
        temperature: divides the cosines.
    """
    # The temperature goes into the smaller matrix rather than into P * n logits.
    logits = (F.normalize(states, dim=-1) / temperature) @ F.normalize(items, dim=-1).T
    return F.cross_entropy(logits, target)


def in_batch_contrastive(
    anchors: Tensor,
    positives: Tensor,
    target: Tensor,
    temperature: float,
    *,
    published: bool = False,
    extra: Tensor | None = None,
) -> Tensor:
    r"""Return the mean contrastive loss of a batch, other rows' positives being the negatives.

    .. math:: \ell = -\frac{1}{B}\sum_j \log \frac{e^{\cos(a_j, p_j)/\tau}}{\sum_{j'} e^{\cos(a_j, p_{j'})/\tau}}

    Rows with the same target are no negatives of each other (UniSRec, Hou et al., KDD 2022, equations 6 and 7).

    Args:
        anchors: ``[B, d]``.
        positives: ``[B, d]``.
        target: ``[B]`` what the rows predict.
        temperature: divides the cosines.
        published: as in UniSRec's and VQ-Rec's code, where rows with the same target get the logit 0, which adds 1 to
            the denominator. Otherwise they drop out of it.
        extra: ``[B, d]`` one more negative for each row; ``None`` for none.
    """
    anchors = F.normalize(anchors, dim=-1)
    logits = (anchors / temperature) @ F.normalize(positives, dim=-1).T
    same = target.unsqueeze(1) == target
    same.fill_diagonal_(False)
    logits = logits.masked_fill(same, 0.0 if published else torch.finfo(logits.dtype).min)
    if extra is not None:
        added = (anchors * F.normalize(extra, dim=-1)).sum(dim=-1, keepdim=True) / temperature
        logits = torch.cat([logits, added], dim=1)
    return F.cross_entropy(logits, torch.arange(len(anchors), device=anchors.device))
