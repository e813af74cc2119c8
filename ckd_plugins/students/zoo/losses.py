"""Losses of the next item over a catalogue, for states at any number of positions."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["ItemLoss", "calibration", "gbce", "item_loss", "sampled_softmax", "softmax"]

ItemLoss = Literal["gbce", "sampled_softmax", "softmax"]


def calibration(n_negatives: int, n_items: int, t: float) -> float:
    r"""The power :math:`\beta` that gBCE raises a positive's probability to.

    .. math:: \beta = \alpha \left( t \left( 1 - \tfrac{1}{\alpha} \right) + \tfrac{1}{\alpha} \right),
        \quad \alpha = \frac{k}{n - 1}

    With ``t = 0`` it is 1, plain binary cross-entropy; with ``t = 1`` it is the sampling rate :math:`\alpha`, and the
    predicted probabilities are calibrated.

    Source: Petrov and Macdonald, gSASRec, RecSys 2023, section 5.2.

    Args:
        n_negatives: ``k`` of them for each positive.
        n_items: ``n`` items in the catalogue, without padding.
        t: how far to calibrate, in [0, 1].
    """
    rate = n_negatives / max(1, n_items - 1)
    return rate * (t * (1 - 1 / rate) + 1 / rate)


def gbce(positive: Tensor, negative: Tensor, beta: float) -> Tensor:
    r"""Generalised binary cross-entropy: :math:`-\log \sigma(s^+)^\beta - \sum_k \log (1 - \sigma(s_k^-))`, per term.

    Source: Petrov and Macdonald, gSASRec, RecSys 2023, equation 9. The power is taken in the logarithm, where it is a
    factor: no double precision is needed.

    Args:
        positive: ``[P]`` scores of the targets.
        negative: ``[P, k]`` scores of sampled items, ``-inf`` for those that do not count.
        beta: from :func:`calibration`.

    Returns:
        Scalar: the mean over rows of the sum, divided by ``k + 1``.
    """
    total = beta * F.softplus(-positive) + F.softplus(negative).sum(dim=1)
    return total.mean() / (negative.shape[1] + 1)


def sampled_softmax(positive: Tensor, negative: Tensor, n_items: int) -> Tensor:
    r"""Cross-entropy over the target and sampled items, corrected for the share that was sampled.

    Each of ``k`` uniform negatives stands for ``(n - 1) / k`` items, so that the sum estimates the full softmax's.

    Source: Bengio and Senecal, Adaptive importance sampling, IEEE TNN 2008; for SASRec: Klenitskiy and Vasilev,
    RecSys 2023.

    Args:
        positive: ``[P]`` scores of the targets.
        negative: ``[P, k]`` scores of sampled items, ``-inf`` for those that do not count.
        n_items: items in the catalogue, without padding.

    Returns:
        Scalar, the mean over rows.
    """
    weight = math.log(max(1, n_items - 1) / negative.shape[1])
    scores = torch.cat([positive[:, None], negative + weight], dim=1)
    return (scores.logsumexp(dim=1) - positive).mean()


def softmax(states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy over the whole catalogue; row 0 of ``table [n_items, d]`` is padding and no item."""
    return F.cross_entropy(states @ table[1:].T, targets - 1)


def item_loss(
    kind: ItemLoss, states: Tensor, table: Tensor, targets: Tensor, *, n_negatives: int = 256, t: float = 0.75
) -> Tensor:
    """Loss of states against their next items.

    Negatives are uniform over the catalogue and shared by all rows of the batch: two matrix products in place of a
    gather of ``P x k`` vectors. A negative that is a row's own target does not count for it.

    Args:
        kind: which loss.
        states: ``[P, d]``.
        table: ``[n_items, d]`` item vectors; row 0 is padding.
        targets: ``LongTensor [P]`` item ids.
        n_negatives: ``k``, for the sampled losses.
        t: gBCE's calibration.
    """
    if kind == "softmax":
        return softmax(states, table, targets)
    n_items = len(table) - 1
    sampled = torch.randint(1, n_items + 1, (n_negatives,), device=targets.device)
    positive = (states * F.embedding(targets, table)).sum(dim=1)
    negative = (states @ F.embedding(sampled, table).T).masked_fill(sampled == targets[:, None], -torch.inf)
    if kind == "sampled_softmax":
        return sampled_softmax(positive, negative, n_items)
    return gbce(positive, negative, calibration(n_negatives, n_items, t))
