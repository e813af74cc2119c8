"""What a batch's distillation costs: candidates, teachers, integrator and loss tied together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ckd_plugins.distillation.candidates import Candidates, CandidateSource
from ckd_plugins.distillation.integrators.base import Integrator
from ckd_plugins.distillation.integrators.measures import normalize_gate, taught_rows
from ckd_plugins.distillation.losses.base import Loss
from ckd_plugins.distillation.numerics import in_float
from ckd_plugins.distillation.output import ObjectiveOutput, gated_output, with_own_loss
from ckd_plugins.distillation.pacing import TeacherPace, divergences
from ckd_plugins.distillation.reading import Reading, read_teachers, rows_at_once
from ckd_plugins.distillation.target import Target
from ckd_plugins.distillation.vectors import ReadsVectors, read_vectors, vector_shape, vector_signals
from ckd_plugins.distillation.weighing import Weighted
from ckd_plugins.errors import ConfigError, StudentError

if TYPE_CHECKING:
    from ckd_plugins.signals.base import Signal

__all__ = ["Objective"]


class Objective(Weighted):
    r"""What is added to the student's own loss.

    .. math:: \lambda \, \frac{1}{B} \sum_u \pi_u \, \ell_u

    with the row's loss :math:`\ell_u` towards the integrated target, the instance gate :math:`\pi_u` (mean 1 over the
    rows that some teacher knows, 0 in the others) and :math:`\lambda` = ``weight``. The mean runs over all rows, so
    that a batch that teachers know little of is distilled little.

    Each teacher is asked once for each row, without gradient; its scores are divided by its own temperature. No
    gradient reaches a teacher; parameters of an integrator or a loss, if they have any, are this module's. Those of an
    integrator with an objective of its own get the gradient of that (:meth:`Integrator.own_loss`, whose mean is the
    term ``integrator``) through this loss, whose value it leaves alone.

    The objective is a module for the sake of those parameters and of ``.to(device)``. Do not register it inside the
    student: its checkpoint is the plain model's.

    **Memory.** When teachers x rows x candidates is large (the full catalogue), rows are worked in chunks: the
    teachers' scores exist for one chunk at a time, and the loss of a chunk is recomputed in the backward pass. What
    stays is one integrated distribution, as large as the student's scores. Only the gate needs the whole batch, one
    number a row.

    Args:
        signals: what each teacher knows; names must differ.
        candidates: a bound source.
        integrator: joins the teachers.
        loss: compares the student with the target.
        weight: :math:`\lambda`, not negative; see :class:`~ckd_plugins.distillation.weighing.Weighted`.
        chunk_rows: rows worked at once; ``None`` chooses by size.
        pace: lets teachers join one after the other; ``None`` listens to all.
        width: length of the student's vectors, for a loss that compares vectors.

    Raises:
        ConfigError: no teacher, two of one name, one without vectors for a loss that compares them, or a number out
            of range.
    """

    def __init__(
        self,
        signals: Sequence[Signal],
        candidates: CandidateSource,
        integrator: Integrator,
        loss: Loss,
        *,
        weight: float = 1.0,
        chunk_rows: int | None = None,
        pace: TeacherPace | None = None,
        width: int | None = None,
    ) -> None:
        super().__init__(loss, weight)
        names = [signal.name for signal in signals]
        if not names:
            raise ConfigError("distillation needs at least one teacher; name one, or train the model plainly")
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ConfigError(f"two teachers are called {twice[0]!r}; give each its own name")
        if chunk_rows is not None and chunk_rows < 1:
            raise ConfigError(f"distillation chunk_rows must be 1 or more, not {chunk_rows}")
        self.signals = tuple(signals)
        self.candidates = candidates
        self.integrator = integrator
        self.chunk_rows = chunk_rows
        self.pace = pace
        integrator.bind(names)
        candidates.bind_teachers(signals)
        self._names = tuple(names)
        # What a loss of vectors asks; of a loss of scores nobody.
        self._vectors = vector_signals(signals) if loss.compares == "vectors" else ()
        if self._vectors:
            if not width:
                raise ConfigError(f"{type(loss).__name__} compares vectors; give the width of the student's")
            loss.bind_vectors(width, [vector_shape(signal) for signal in self._vectors])

    def set_epoch(self, epoch: int) -> None:
        """Tell candidate source, integrator and loss which epoch begins, and set what follows a schedule."""
        super().set_epoch(epoch)
        for part in (self.candidates, self.integrator):
            part.set_epoch(epoch)
        if self.pace is not None:
            self.pace.set_epoch(epoch)

    def settings(self) -> dict[str, float]:
        """What follows a schedule; with a pace, ``schedule/teachers`` as well: how many are listened to."""
        joined = {} if self.pace is None else {"schedule/teachers": float(len(self.pace.joined))}
        return {**super().settings(), **joined}

    def forward(self, rows: Tensor, targets: Tensor, read: Callable[[Candidates], Tensor]) -> ObjectiveOutput:
        """Work one batch.

        Args:
            rows: int64 ``[B]`` row ids that the signals know.
            targets: int64 ``[B]`` the rows' item ids.
            read: gives the student's raw scores ``[B, C]`` for the candidates, with gradient; for a loss that compares
                vectors it reads those as well (:class:`~ckd_plugins.distillation.vectors.ReadsVectors`).

        Raises:
            StudentError: the scores have the wrong shape, or vectors cannot be read.
        """
        if self.weight == 0 or not len(rows):
            return ObjectiveOutput(loss=torch.zeros((), device=targets.device))
        chosen = self.candidates.choose(rows, targets)
        size = self.chunk_rows or rows_at_once(len(self.signals), chosen.items.shape[-1])
        student = self._vectors_of(targets, read) if self._vectors else self._scores_of(rows, chosen, read)
        with torch.autocast(device_type=student.device.type, enabled=False):
            active = self._listened_to(rows, chosen, lambda: read(chosen) if self._vectors else student, size)
            return self._compare(rows, targets, chosen, student, size, active)

    def _scores_of(self, rows: Tensor, chosen: Candidates, read: Callable[[Candidates], Tensor]) -> Tensor:
        student, wanted = read(chosen), (len(rows), chosen.items.shape[-1])
        if tuple(student.shape) != wanted:
            raise StudentError(f"the reader gave scores {tuple(student.shape)} for {wanted} rows x candidates")
        return student

    def _vectors_of(self, targets: Tensor, read: object) -> Tensor:
        if not isinstance(read, ReadsVectors):
            raise StudentError(f"{type(self.criterion).__name__} compares vectors, and the reader gives scores only")
        return read.vectors(targets)

    def _compare(
        self,
        rows: Tensor,
        items: Tensor,
        chosen: Candidates,
        student: Tensor,
        size: int,
        active: list[bool] | None,
    ) -> ObjectiveOutput:
        per_row: list[dict[str, Tensor]] = []
        targets: list[Target] = []
        known: list[Tensor] = []
        own: list[Tensor] = []
        learns = torch.is_grad_enabled() and any(p.requires_grad for p in self.integrator.parameters())
        # split, not slices: one node gathers the gradient of all chunks instead of summing full-sized ones.
        parts = torch.split(student, size)
        for number, scores in enumerate(parts):
            begin = number * size
            piece = slice(begin, begin + len(scores))
            reading = read_teachers(self.signals, rows[piece], _cut(chosen, piece), scores.dtype, active)
            target = self._integrate(reading, learns)
            if self.integrator.own_objective and learns:
                own.append(self.integrator.own_loss(target, reading.target))
            if self._vectors:
                vectors = read_vectors(self._vectors, rows[piece], items[piece])
                per_row.append(self.criterion(scores, replace(target, vectors=vectors)))
            else:
                per_row.append(self._losses(scores, target, reading.student_mask, recompute=len(parts) > 1))
            # Of the target, only what is one number a row outlives its chunk here.
            targets.append(replace(target, log_probs=target.log_probs.new_empty(0)))
            known.append(reading.known)
        all_known = torch.cat(known, dim=1)
        taught = torch.cat([taught_rows(t.weights) for t in targets])
        gate = normalize_gate(torch.cat([t.gate for t in targets]), taught)
        terms = {name: torch.cat([part[name] for part in per_row]) for name in per_row[0]}
        output = gated_output(self._names, targets, all_known, gate, terms, self.scale)
        return with_own_loss(output, torch.cat(own).mean()) if own else output

    def _listened_to(
        self, rows: Tensor, chosen: Candidates, scores: Callable[[], Tensor], size: int
    ) -> list[bool] | None:
        """Which teachers are asked; somebody joins, where there is a place, by the batch's first chunk."""
        if self.pace is None:
            return None
        piece = slice(0, size)

        def measure() -> Tensor:
            first = scores()[piece].detach()
            return divergences(read_teachers(self.signals, rows[piece], _cut(chosen, piece), first.dtype), first)

        self.pace.admit(measure)
        return self.pace.active

    def _integrate(self, reading: Reading, learns: bool) -> Target:
        with torch.set_grad_enabled(learns):
            return self.integrator.integrate(reading.logits, reading.known, reading.target, reading.mask)

    def _losses(self, scores: Tensor, target: Target, mask: Tensor | None, *, recompute: bool) -> dict[str, Tensor]:
        def compute(part: Tensor) -> dict[str, Tensor]:
            # Teachers speak in single precision: a plugin's product of the two would fail under autocast.
            terms: dict[str, Tensor] = self.criterion(in_float(part), target, mask)
            return terms

        if recompute and torch.is_grad_enabled() and scores.requires_grad:
            result: dict[str, Tensor] = checkpoint(compute, scores, use_reentrant=False)
            return result
        return compute(scores)


def _cut(chosen: Candidates, piece: slice) -> Candidates:
    return Candidates(
        items=chosen.items if chosen.items.ndim == 1 else chosen.items[piece],
        target=chosen.target[piece],
        mask=None if chosen.mask is None else chosen.mask[piece],
    )
