"""Make a stock RecBole model instance a student, and a plain model again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import embedding

from ckd_plugins.errors import StudentError
from ckd_plugins.host.speed.cross_entropy import Shared, shared_softmax
from ckd_plugins.students.families import loss_method, require_student, trains_ranking
from ckd_plugins.students.readers.base import Reader, per_row
from ckd_plugins.students.readers.vectors import VectorReader
from ckd_plugins.students.rows import BatchRows, Rows, RowSource
from ckd_plugins.students.stopwatch import Stopwatch
from ckd_plugins.students.terms import Terms

__all__ = ["Balance", "Handle", "Objective", "ObjectiveOutput", "Read", "attach"]


class ObjectiveOutput(Protocol):
    """What an objective returns."""

    @property
    def loss(self) -> Tensor:
        """Scalar, already weighted, added to the student's own loss."""

    @property
    def terms(self) -> Mapping[str, Tensor]:
        """Named parts for the log."""


class Objective(Protocol):
    """The distillation objective: ``objective(rows, targets, read)``.

    An attribute ``weight`` of 0 switches it off: nothing of it runs then, and the run is the plain run bit for bit.
    """

    def __call__(self, rows: Tensor, targets: Tensor, read: Read) -> ObjectiveOutput:
        """Compute the loss for ``rows [P]`` with positives ``targets [P]``; ``read(candidates)`` gives ``[P, C]``."""


@runtime_checkable
class SharingObjective(Protocol):
    """An objective that needs no scores where the student's own softmax takes its targets along."""

    def listed(self, rows: Tensor) -> tuple[Any, Tensor] | None:
        """Return soft targets of ``rows [P]`` (with ``ids``) and weights ``[P, m]``; ``None`` to be called instead."""

    def taken(self, batch: Any, loss: Tensor) -> ObjectiveOutput:
        """Return what is left to add where the own loss contains these rows' ``loss [P]`` already."""


class Balance(Protocol):
    """How the own loss and the objective's share a step; see :class:`ckd_plugins.distillation.Balance`.

    The objective then has a ``weight`` and a ``factor`` that its loss is multiplied with.
    """

    @property
    def apart(self) -> bool:
        """Whether the next batch's two losses must be known apart, with their gradients."""

    def shares(self) -> tuple[float, float]:
        """Return the factors of own loss and distillation in the next batch."""

    def see(self, own: Tensor, distillation: Tensor, parameters: Sequence[Tensor]) -> None:
        """Be shown both losses of a batch, without weights."""


class Read:
    """Scores of candidates for the rows of one batch: a callable of ``Candidates`` or of item ids."""

    def __init__(self, reader: Reader, interaction: Any, positions: slice | Tensor) -> None:
        self._reader, self._interaction, self._positions = reader, interaction, positions

    def __call__(self, candidates: Any) -> Tensor:
        """Raw scores ``[P, C]`` with gradients, for ``Candidates`` or item ids ``[C]`` or ``[P, C]``."""
        items = candidates if isinstance(candidates, Tensor) else candidates.items
        return self._reader.scores(self._interaction, self._positions, items)

    def vectors(self, items: Tensor) -> Tensor:
        """The rows' vectors and those of one item each, ``items [P]``, with gradients: ``[P, 2, d]``.

        Raises:
            StudentError: the reader has none.
        """
        if not isinstance(self._reader, VectorReader):
            raise StudentError(f"{self._reader!r} reads no vectors")
        rows, table = self._reader.vectors(self._interaction, self._positions)
        return torch.stack([rows, embedding(items, table)], dim=1)


Told = Callable[[Rows, Read], None]
"""Learns of a batch; gradients of what it reads are nobody's."""


class _DistilledLoss:
    """Stands before the model's own loss. Copied or pickled with its model it becomes the own loss again."""

    def __init__(
        self,
        model: Any,
        method: str,
        objective: Objective,
        reader: Reader,
        rows: RowSource,
        balance: Balance | None,
        told: Told | None,
    ) -> None:
        self._model, self._method = model, method
        self._own: Callable[..., Any] = getattr(model, method)
        self._objective, self._reader, self._rows = objective, reader, rows
        self._column: str = getattr(model, "USER_ID", "user_id")  # of every batch, and one value a row
        self._balance, self._told = balance, told
        self._parameters = [] if balance is None else list(model.parameters())
        self.terms, self.clock = Terms(), Stopwatch()
        self._shares = reader.softmax and isinstance(objective, SharingObjective)
        self._checked = False

    def __call__(self, interaction: Any, *args: Any, **kwargs: Any) -> Any:
        if self._off():
            return self._own(interaction, *args, **kwargs)
        share, rows = self._take_shares(), self._rows(interaction)
        if rows is None:
            return _times(share, self._own(interaction, *args, **kwargs))
        own, output, part = self._both(interaction, rows, args, kwargs)
        distillation = output.loss if rows.scale == 1.0 else output.loss * rows.scale
        total = torch.stack([one.reshape(()) for one in own]).sum() if isinstance(own, tuple) else own
        terms = {"own_loss": total - part, "distillation_loss": distillation + part, "loss": total + distillation}
        if self._balance is not None:
            weight = _scale(self._objective)
            self._balance.see(terms["own_loss"], terms["distillation_loss"] / weight, self._parameters)
            terms |= {"balance/own": torch.tensor(share), "balance/distillation": torch.tensor(share * weight)}
        # A tuple stays one: RecBole logs its parts, and NCL's trainer drops the last during its warm-up.
        joint = (own[0] + distillation, *own[1:]) if isinstance(own, tuple) else terms["loss"]
        if share != 1.0:
            terms |= {name: share * terms[name] for name in ("own_loss", "distillation_loss", "loss")}
            joint = _times(share, joint)
        self.terms.add({**output.terms, **terms})
        return joint

    def _take_shares(self) -> float:
        """Take the balance's factors for this batch: the own loss's, and the objective's beside it.

        Relative to the own loss, for the student's own softmax may take the objective along: both are one number then.
        """
        if self._balance is None:
            return 1.0
        own, distillation = self._balance.shares()
        self._objective.factor = distillation / own  # type: ignore[attr-defined]
        return own

    def _both(
        self, interaction: Any, rows: Rows, args: Any, kwargs: Any
    ) -> tuple[Any, ObjectiveOutput, Tensor | float]:
        """The model's own loss, what the objective adds, and how much of that the own loss contains already."""
        with self.clock.running(rows.ids.device):
            batch, shared = self._listed(rows, len(interaction))
        with self._reader.watch(), shared or nullcontext() as taken:
            own = self._own(interaction, *args, **kwargs)
        try:
            read = Read(self._reader, per_row(interaction, self._column), rows.positions)
            if self._told is not None:
                self._told(rows, read)
            if taken is None or taken.loss is None:
                self._shares = self._shares and taken is None  # a softmax that took nothing will not the next time
                with self.clock.running(rows.ids.device):
                    return own, self._objective(rows.ids, rows.targets, read), 0.0
            with self.clock.running(rows.ids.device):
                output = self._objective.taken(batch, taken.loss[rows.positions])  # type: ignore[attr-defined]
            part = taken.loss.sum()
            if self._checked or self._agrees(output.loss + part, rows, read):
                return own, output, part
        finally:
            self._reader.forget()
        return self._both(interaction, rows, args, kwargs)

    def _listed(self, rows: Rows, length: int) -> tuple[Any, AbstractContextManager[Shared] | None]:
        """The soft targets that the model's own softmax could take along, and the context in which it does."""
        apart = self._balance is not None and self._balance.apart
        shares = self._shares and rows.scale == 1.0 and not apart
        listed = self._objective.listed(rows.ids) if shares else None  # type: ignore[attr-defined]
        if listed is None:
            return None, None
        batch, weights = listed
        if rows.positions == slice(0, length):
            return batch, shared_softmax(batch.ids, weights)
        every = weights.new_zeros(length, weights.shape[1])
        ids = batch.ids.new_zeros(every.shape)
        ids[rows.positions], every[rows.positions] = batch.ids, weights
        return batch, shared_softmax(ids, every)

    @torch.no_grad()
    def _agrees(self, found: Tensor, rows: Rows, read: Read) -> bool:
        """Compare once with what comes of the scores that are read: the softmax could be over something else."""
        wanted, weight = self._objective(rows.ids, rows.targets, read).loss, _scale(self._objective)
        self._checked = True
        # Without the weight: a schedule may begin with one so small that all would be equal.
        self._shares = bool(torch.isclose(found / weight, wanted / weight, rtol=1e-3, atol=1e-5))
        return self._shares

    def _off(self) -> bool:
        """Whether this is a batch of the plain model."""
        weight = getattr(self._objective, "weight", 1.0)
        return weight == 0 or not torch.is_grad_enabled() or not trains_ranking(self._model)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._model, self._method)


def _times(share: float, loss: Any) -> Any:
    """A model's loss, which may have parts, times a number; itself where that is 1."""
    if share == 1.0:
        return loss
    return tuple(share * one for one in loss) if isinstance(loss, tuple) else share * loss


def _scale(objective: Objective) -> float:
    """What an objective's loss is multiplied with."""
    return float(getattr(objective, "weight", 1.0)) * float(getattr(objective, "factor", 1.0))


class Handle:
    """A student: its reader, the means of its loss's terms, and the way back to the plain model."""

    def __init__(self, model: Any, reader: Reader | None, method: str, loss: _DistilledLoss | None) -> None:
        self.model, self.reader = model, reader
        self._method, self._loss = method, loss
        self._had = method in vars(model)
        self._before = vars(model).get(method)
        if loss is not None:
            vars(model)[method] = loss

    @property
    def attached(self) -> bool:
        """Whether the model's loss is still the distilled one."""
        return self._loss is not None and vars(self.model).get(self._method) is self._loss

    @property
    def terms(self) -> dict[str, float]:
        """Means of the named terms since they were last taken."""
        return {} if self._loss is None else self._loss.terms.means()

    def pop_terms(self) -> dict[str, float]:
        """Return the means of the named terms and start anew; call it once an epoch."""
        return {} if self._loss is None else self._loss.terms.pop()

    def pop_seconds(self) -> float | None:
        """Return the seconds that distilling took since they were last taken; ``None`` without an objective.

        What teachers, integrator, loss and the reading of scores took in the forward pass. Their backward pass cannot
        be told apart from the own loss's, nor what soft targets cost that the student's own softmax takes along.
        """
        return None if self._loss is None else self._loss.clock.pop()

    def detach(self) -> None:
        """Give the plain model back: its ``__dict__`` is what it was before."""
        if not self.attached:
            return
        if self._had:
            vars(self.model)[self._method] = self._before
        else:
            del vars(self.model)[self._method]

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()


def attach(
    model: Any,
    objective: Objective | None,
    reader: Reader | None,
    *,
    row_field: str = "ckd_row",
    rows: RowSource | None = None,
    balance: Balance | None = None,
    told: Told | None = None,
) -> Handle:
    """Add a distillation objective to the loss of a stock RecBole model instance.

    The instance keeps its class, its parameters and its ``state_dict``; only ``calculate_loss`` is covered, on the
    instance. The model's own loss runs once, untouched and first, watched by the reader; then the objective is asked,
    for the positive rows of the batch, and its loss is added. A batch without known rows, a loss computed without
    gradients and a pre-training stage give just the own loss.

    Args:
        model: the model instance.
        objective: the objective; ``None`` changes nothing at all.
        reader: how scores are read, from :func:`ckd_plugins.students.choose_reader` or the hook
            ``ckd_choose_reader``.
        row_field: column of the batch that holds the row ids.
        rows: another way to find the rows of a batch (:class:`UserRows` for autoencoders); default: by ``row_field``
            and the model's own names of columns.
        balance: weighs the objective beside the own loss, batch by batch; ``None`` leaves its weight alone.
        told: is called in each batch that is distilled with its rows and what reads scores for them.

    Returns:
        A handle, also a context manager that detaches at its end.

    Raises:
        StudentError: the model is not trained by gradients, is attached already, or the reader is not one of it.
    """
    name = type(model).__name__
    method = loss_method(model)
    if objective is None:
        return Handle(model, reader, method, None)
    require_student(model)
    if isinstance(vars(model).get(method), _DistilledLoss):
        raise StudentError(f"{name} is a student already; call detach() of its handle first")
    if reader is None or reader.model is not model:
        raise StudentError(f"the reader {reader!r} was not made for this {name}; choose one with choose_reader")
    source = rows or _batch_rows(model, row_field)
    return Handle(model, reader, method, _DistilledLoss(model, method, objective, reader, source, balance, told))


def _batch_rows(model: Any, row_field: str) -> BatchRows:
    item = getattr(model, "ITEM_ID", getattr(model, "POS_ITEM_ID", "item_id"))
    label = getattr(model, "LABEL", getattr(model, "LABEL_FIELD", "label"))
    return BatchRows(row_field, item, label, getattr(model, "NEG_ITEM_ID", f"neg_{item}"))
