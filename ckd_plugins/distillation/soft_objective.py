"""The objective over soft targets that were integrated before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from ckd_plugins.distillation.candidates import Candidates
from ckd_plugins.distillation.losses.base import Loss
from ckd_plugins.distillation.numerics import LOG_ZERO, in_float
from ckd_plugins.distillation.output import ObjectiveOutput, gated_output
from ckd_plugins.distillation.soft_targets import SoftBatch, SoftTargets
from ckd_plugins.distillation.weighing import Weighted
from ckd_plugins.errors import ConfigError, StudentError

__all__ = ["SoftObjective"]


class SoftObjective(Weighted):
    r"""What is added to the student's own loss, from soft targets.

    .. math:: \lambda \, \frac{1}{B} \sum_u \pi_u \, \ell_u

    as in :class:`~ckd_plugins.distillation.objective.Objective`, with another set of candidates: the student's softmax
    runs over the catalogue (``over="catalogue"``: for students whose own loss is one anyway) or over the row's list.

    **For nothing.** A student's own softmax over the catalogue has all that a cross-entropy with soft targets needs.
    Where the loss is one (:attr:`Loss.linear`), :meth:`listed` says what is to be added to that softmax, and
    :meth:`taken` what came of it; the student's scores are then never read.

    Args:
        targets: of every training row.
        names: the teachers', in the order of the measures.
        loss: compares the student with the target.
        n_items: number of item ids, padding included.
        over: what the student's softmax runs over.
        weight: :math:`\lambda`, not negative; see :class:`~ckd_plugins.distillation.weighing.Weighted`.

    Raises:
        ConfigError: the weight is out of range, or the loss does not compare scores.
    """

    def __init__(
        self,
        targets: SoftTargets,
        names: Sequence[str],
        loss: Loss,
        *,
        n_items: int,
        over: Literal["catalogue", "list"],
        weight: float = 1.0,
    ) -> None:
        super().__init__(loss, weight)
        if loss.compares != "scores":
            raise ConfigError(f"{type(loss).__name__} compares vectors, which targets integrated once do not keep")
        self.targets, self.over = targets, over
        self._names, self._n_items = tuple(names), n_items

    def listed(self, rows: Tensor) -> tuple[SoftBatch, Tensor] | None:
        """Say what the student's own softmax over the catalogue may be given.

        Args:
            rows: int64 ``[B]``.

        Returns:
            The rows' soft targets, and their entries' weights in the loss, float32 ``[B, m]``; ``None`` where the
            student's scores have to be read.
        """
        if self.weight == 0 or self.over != "catalogue" or not self.criterion.linear or not len(rows):
            return None
        batch = self.targets.at(rows)
        return batch, batch.probs * (self.scale / len(rows) * batch.gate)[:, None]

    def taken(self, batch: SoftBatch, loss: Tensor) -> ObjectiveOutput:
        """Work a batch whose weighted cross-entropies, ``loss [B]``, are part of the student's own loss already.

        Returns:
            An output whose loss is what is still to be added: a constant, for losses that are 0 for equal
            distributions.
        """
        gate = batch.gate * (self.scale / len(loss))
        cross_entropy = loss / gate.clamp_min(torch.finfo(gate.dtype).tiny)
        per_row = self.criterion.from_cross_entropy(cross_entropy, batch.entropy)
        found = self._output(batch, per_row)
        return replace(found, loss=found.loss - loss.sum())

    def forward(self, rows: Tensor, targets: Tensor, read: Callable[[Candidates], Tensor]) -> ObjectiveOutput:
        """Work one batch; as :meth:`Objective.forward`."""
        if self.weight == 0 or not len(rows):
            return ObjectiveOutput(loss=torch.zeros((), device=targets.device))
        batch = self.targets.at(rows)
        log_probs = torch.where(batch.probs > 0, batch.probs.log(), LOG_ZERO)
        if self.over == "catalogue":
            items, mask = torch.arange(self._n_items, device=rows.device), None
            chosen = Candidates(items=items, target=targets)
            whole = log_probs.new_full((len(rows), self._n_items), LOG_ZERO)
            # Padding of several entries meets in column 0: the largest, which is the listed one if there is any.
            log_probs = whole.scatter_reduce_(1, batch.ids, log_probs, "amax")
        else:
            # Rows that no teacher knows keep one candidate, so that their loss, which counts for nothing, is finite.
            mask = batch.probs > 0
            mask[:, 0] |= ~mask.any(dim=1)
            chosen = Candidates(items=batch.ids, target=torch.full_like(targets, -1), mask=mask)
        student = read(chosen)
        if student.shape != log_probs.shape:
            raise StudentError(f"the reader gave scores {tuple(student.shape)}, not {tuple(log_probs.shape)}")
        with torch.autocast(device_type=student.device.type, enabled=False):
            target = replace(batch.target, log_probs=log_probs)
            return self._output(batch, self.criterion(in_float(student), target, mask))

    def _output(self, batch: SoftBatch, per_row: dict[str, Tensor]) -> ObjectiveOutput:
        return gated_output(self._names, [batch.target], batch.known, batch.gate, per_row, self.scale)
