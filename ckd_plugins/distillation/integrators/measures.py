"""How sure a teacher is of an instance, and how much the teachers agree on it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "among_all",
    "certainty",
    "confidence",
    "consistency",
    "gate_over",
    "normalize_gate",
    "softmax_over_known",
    "taught_rows",
]


def confidence(probs: Tensor, log_probs: Tensor, known: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    r"""How much a teacher believes in what the user really did next.

    .. math::

        \mathrm{conf}_u^k = \frac{p}{p + (1 - p)\, (C - 1) / (C_u^k - 1)}, \qquad p = p_u^k(i_u^+)

    with the number :math:`C_u^k` of the :math:`C` candidates that are allowed for the row and known to the teacher:
    among few any one is likely, which says little (:func:`among_all`). Where all are known it is the probability.
    Rows whose target is not among the candidates fall back to :func:`certainty`, which needs no target. A teacher that
    knows the row but not the target item has confidence 0. Source: reconstruction of CKD-MDSR (arXiv:2401.00797); both
    forms are ours.

    Args:
        probs: ``[K, B, C]``.
        log_probs: ``[K, B, C]``.
        known: bool ``[K, B]``.
        target: int64 ``[B]``, the target's column or -1.
        mask: bool, broadcastable to ``[K, B, C]``, or ``None``.

    Returns:
        ``[K, B]`` in [0, 1], 0 where the teacher does not know the row.
    """
    column = target.clamp_min(0).expand(probs.shape[0], -1).unsqueeze(-1)
    value = probs.gather(-1, column).squeeze(-1)
    if mask is not None:
        value = among_all(value, mask.sum(dim=-1), mask.shape[-1])
    if bool((target < 0).any()):
        value = torch.where(target >= 0, value, certainty(probs, log_probs, mask))
    return value.masked_fill(~known, 0.0)


def among_all(probs: Tensor, allowed: Tensor, candidates: int) -> Tensor:
    """What a probability among some candidates would be among all, were the others like those.

    Chance stays chance, 1 stays 1, and what is unlikely becomes less likely as the number grows.

    Args:
        probs: of one item, in [0, 1].
        allowed: number of candidates that share the probability, broadcastable to ``probs``.
        candidates: number of all.
    """
    rivals = (candidates - 1) / (allowed - 1).clamp_min(1).to(probs.dtype)
    return probs / (probs + (1 - probs) * rivals).clamp_min(torch.finfo(probs.dtype).tiny)


def certainty(probs: Tensor, log_probs: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""One minus the normalised entropy, :math:`1 - H(p) / \log C`, with ``C`` the number of allowed candidates.

    Args:
        probs: ``[..., C]``.
        log_probs: ``[..., C]``, finite.
        mask: bool, broadcastable to ``probs``, or ``None``.

    Returns:
        ``[...]`` in [0, 1]: 0 for a uniform distribution (and where fewer than 2 candidates are allowed), 1 for one
        that is sure.
    """
    entropy = -(probs * log_probs).sum(dim=-1)
    if mask is None:
        mask = torch.ones(probs.shape[-1], dtype=torch.bool, device=probs.device)
    count = mask.sum(dim=-1).expand(entropy.shape)
    value = 1.0 - entropy / count.clamp_min(2).to(entropy.dtype).log()
    return value.clamp(0.0, 1.0).masked_fill(count < 2, 0.0)


def consistency(probs: Tensor, known: Tensor, log_probs: Tensor | None = None) -> Tensor:
    r"""How close a teacher is to the mean of the others, by the Jensen-Shannon divergence (Lin, 1991).

    .. math::

        \mathrm{cons}_u^k = 1 - \frac{1}{\log 2}\,\mathrm{JS}\Big(p_u^k \,\Big\Vert\,
        \frac{1}{K_u - 1} \sum_{m \ne k} p_u^m\Big)

    over the :math:`K_u` teachers that know the row; 1 where only one does. Source: reconstruction of CKD-MDSR
    (arXiv:2401.00797), whose consistency is between teachers; the divergence is ours.

    Args:
        probs: ``[K, B, C]``.
        known: bool ``[K, B]``.
        log_probs: ``[K, B, C]``, finite, where they are at hand.

    Returns:
        ``[K, B]`` in [0, 1], 0 where the teacher does not know the row.
    """
    if probs.shape[0] == 1:
        return known.to(probs.dtype)
    divergences = _from_the_rest(probs, log_probs) if bool(known.all()) else _from_the_known(probs, known)
    value = (1.0 - divergences / math.log(2.0)).clamp(0.0, 1.0)
    alone = known.sum(dim=0) == 1
    return value.masked_fill(alone, 1.0).masked_fill(~known, 0.0)


def _from_the_rest(probs: Tensor, log_probs: Tensor | None) -> Tensor:
    r"""Divergence ``[K, B]`` of each of ``K`` distributions from the mean of all the others.

    Logarithms are the dearest part of a batch's distillation on a processor, so none is taken twice, and the means'
    denominators come after the sums: with :math:`S = \sum_m p^m` and :math:`n = K - 1`, the mean of the others is
    :math:`(S - p^k) / n`, and half way to it lies :math:`((n - 1) p^k + S) / 2n`.
    """
    n = len(probs) - 1
    own = torch.stack([_entropy(p) for p in probs]) if log_probs is None else -(probs * log_probs).sum(dim=-1)
    if n == 1:  # the divergence is symmetric: once is enough
        half = _entropy(probs[0] + probs[1]) / 2 + math.log(2.0)
        return (half - own.mean(dim=0)).expand(2, -1)
    total = probs.sum(dim=0)
    rest = torch.stack([_entropy(total - p) for p in probs]) / n + math.log(n)
    half = torch.stack([_entropy(torch.add(total, p, alpha=n - 1)) for p in probs]) / (2 * n) + math.log(2 * n)
    return half - (own + rest) / 2


def _from_the_known(probs: Tensor, known: Tensor) -> Tensor:
    """The same where a row's mean is of those only that know it."""
    counted = [p.masked_fill(~k.unsqueeze(-1), 0.0) for p, k in zip(probs, known, strict=True)]
    others = (known.sum(dim=0) - 1).clamp_min(1).unsqueeze(-1)
    rests = [sum(counted[:k] + counted[k + 1 :], torch.zeros_like(counted[k])) / others for k in range(len(counted))]
    return torch.stack([_jensen_shannon(p, rest) for p, rest in zip(counted, rests, strict=True)])


def _jensen_shannon(p: Tensor, m: Tensor) -> Tensor:
    return _entropy((p + m) / 2) - (_entropy(p) + _entropy(m)) / 2


def _entropy(masses: Tensor) -> Tensor:
    # Four times as fast as torch.special.entr on a CPU, where this is the dearest part of a batch.
    return -masses.clamp_min(torch.finfo(masses.dtype).tiny).log_().mul_(masses).sum(dim=-1)


def softmax_over_known(score: Tensor, known: Tensor, gamma: float) -> Tensor:
    """Softmax of ``score / gamma`` over the teachers that know the row.

    Args:
        score: ``[K, B]``.
        known: bool ``[K, B]``.
        gamma: temperature; towards 0 the best teacher takes all, towards infinity all weigh the same.

    Returns:
        ``[K, B]``; sums to 1 over the known teachers, all 0 in rows that none knows.
    """
    shifted = (score / gamma).masked_fill(~known, torch.finfo(score.dtype).min)
    return torch.softmax(shifted, dim=0).masked_fill(~known, 0.0)


def gate_over(score: Tensor, known: Tensor) -> Tensor:
    """Mean of ``score`` ``[K, B]`` over the teachers that know the row; 0 where none does."""
    return score.masked_fill(~known, 0.0).sum(dim=0) / known.sum(dim=0).clamp_min(1)


def taught_rows(weights: Tensor) -> Tensor:
    """Which rows some teacher has a say in: bool ``[B]``, by the teachers' weights ``[K, B]``."""
    return (weights > 0).any(dim=0)


def normalize_gate(gate: Tensor, rows: Tensor) -> Tensor:
    """Scale a gate ``[B]`` to mean 1 over ``rows`` (bool ``[B]``), and to 0 in the others.

    So that distillation keeps its strength whatever the teachers' confidence: that is what ``weight`` is for. A gate
    of 0 throughout stays 0.
    """
    gate = gate.masked_fill(~rows, 0.0)
    mean = gate.sum() / rows.sum().clamp_min(1)
    return gate / mean.clamp_min(torch.finfo(gate.dtype).tiny)
