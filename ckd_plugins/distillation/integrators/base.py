"""Joins the opinions of several teachers into one target distribution."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from ckd_plugins.distillation.integrators.measures import confidence, consistency, normalize_gate, taught_rows
from ckd_plugins.distillation.numerics import LOG_ZERO, masked_log_softmax
from ckd_plugins.distillation.target import Target

__all__ = ["Integrator", "Opinions"]

_TAIL = 1e-30
"""Smallest mean probability whose logarithm is taken of it rather than summed up in log space."""


@dataclass(frozen=True)
class Opinions:
    """What each of ``K`` teachers says about ``B`` rows over ``C`` candidates."""

    log_probs: Tensor
    """``[K, B, C]`` in nats; ``LOG_ZERO`` where the teacher does not know the item."""
    known: Tensor
    """bool ``[K, B]``: the teacher knows the row."""
    target: Tensor
    """int64 ``[B]`` column of the row's own target, -1 when absent."""
    confidence: Tensor
    """``[K, B]`` in [0, 1], 0 where unknown."""
    consistency: Tensor
    """``[K, B]`` in [0, 1], 0 where unknown."""
    mask: Tensor | None = None
    """bool, broadcastable to ``[K, B, C]``: allowed for the row and known to the teacher. ``None`` = everything."""


class Integrator(nn.Module):
    r"""Linear opinion pool (Genest & Zidek, 1986): :math:`p_u = \sum_k w_u^k p_u^k`, with a gate for each instance.

    Subclasses say how much each teacher weighs (:meth:`weigh`), or replace :meth:`integrate` altogether.

    One integrated distribution serves every loss. For the Kullback-Leibler divergence nothing is lost by that:
    :math:`\sum_k w_k \mathrm{KL}(p_k \Vert q) = \mathrm{KL}(\sum_k w_k p_k \Vert q) + c`, where :math:`c` (the
    teachers' generalised Jensen-Shannon divergence) does not depend on the student ``q``; the gradients are equal.

    **An item that a teacher does not know** has probability 0 in that teacher's distribution and keeps what the other
    teachers give it; items that no teacher of the row knows are left out of the student's softmax too. **A teacher that
    does not know the row** weighs 0 there, and counts in no mean.
    """

    citation: ClassVar[str] = ""
    """BibTeX of the source, for generated model cards."""
    own_objective: ClassVar[bool] = False
    """Whether its parameters, if it has any, minimise :meth:`own_loss` instead of the student's distillation loss. No
    gradient of the student's reaches them then."""

    def __init__(self) -> None:
        # A signature of our own: nn.Module's takes any option, and configurations are checked against it.
        super().__init__()

    def bind(self, teachers: Sequence[str]) -> None:
        """Learn the teachers' names, in the order of ``K``. Called once, before the first batch."""

    def set_epoch(self, epoch: int) -> None:
        """Learn which epoch begins (from 0), before its first batch."""

    @abstractmethod
    def weigh(self, opinions: Opinions) -> tuple[Tensor, Tensor]:
        """Weigh the teachers and the instances.

        Returns:
            weights ``[K, B]``, summing to 1 over the teachers that know the row and 0 for the others; and the gate
            ``[B]``, not negative, on any scale (:meth:`forward` and the objective scale it to mean 1).
        """

    def own_loss(self, target: Target, column: Tensor) -> Tensor:
        """What its own parameters minimise, row by row; asked of integrators with an :attr:`own_objective`.

        Args:
            target: what :meth:`integrate` gave; its weights carry the gradient.
            column: int64 ``[B]`` of the row's own target, -1 when absent.

        Returns:
            ``[B]``, 0 in rows that teach nothing; the objective takes the mean.
        """
        raise NotImplementedError(f"{type(self).__name__} has no objective of its own")

    def integrate(self, logits: Tensor, known: Tensor, target: Tensor, mask: Tensor | None = None) -> Target:
        """Do what :meth:`forward` does, row by row, with the gate as :meth:`weigh` gives it.

        No row sees another, so a batch may be cut into chunks of rows. Arguments as in :meth:`forward`.
        """
        log_probs = masked_log_softmax(logits, mask)
        probs = log_probs.exp()
        opinions = Opinions(
            log_probs=log_probs,
            known=known,
            target=target,
            confidence=confidence(probs, log_probs, known, target, mask),
            consistency=consistency(probs, known, log_probs),
            mask=mask,
        )
        weights, gate = self.weigh(opinions)
        pooling, gate = (weights.detach(), gate.detach()) if self.own_objective else (weights, gate)
        row_known = known.any(dim=0)
        return Target(
            log_probs=_pool(probs, log_probs, pooling, row_known),
            gate=gate.masked_fill(~row_known, 0.0),
            weights=weights,
            confidence=opinions.confidence,
            consistency=opinions.consistency,
        )

    def forward(self, logits: Tensor, known: Tensor, target: Tensor, mask: Tensor | None = None) -> Target:
        """Integrate a whole batch.

        Args:
            logits: ``[K, B, C]`` teachers' scores over their temperatures. Finite, also where ``known`` is false.
            known: bool ``[K, B]``.
            target: int64 ``[B]`` column of the row's own target, -1 when absent.
            mask: bool, broadcastable to ``[K, B, C]``: the candidate is allowed for the row and the teacher knows it.
                ``None`` allows everything.
        """
        result = self.integrate(logits, known, target, mask)
        return replace(result, gate=normalize_gate(result.gate, taught_rows(result.weights)))


def _pool(probs: Tensor, log_probs: Tensor, weights: Tensor, row_known: Tensor) -> Tensor:
    """Log of the weighted mean ``[B, C]``.

    Taken in log space where a mean would fall below what single precision holds: tails keep their order.
    """
    if len(log_probs) == 1:
        pooled = log_probs[0]
    else:
        mean = torch.mul(probs[0], weights[0].unsqueeze(-1))
        for p, w in zip(probs[1:], weights[1:], strict=True):
            mean.addcmul_(p, w.unsqueeze(-1))
        if weights.requires_grad or float(mean.min()) < _TAIL:
            log_weights = torch.where(weights > 0, weights.clamp_min(torch.finfo(weights.dtype).tiny).log(), LOG_ZERO)
            pooled = torch.logsumexp(log_probs + log_weights.unsqueeze(-1), dim=0)
        else:
            pooled = mean.log_()
    if bool(row_known.all()):
        return pooled
    return torch.where(row_known.unsqueeze(-1), pooled, -math.log(log_probs.shape[-1]))
