"""A reader's scores against the model's own ranking, on a small batch, leaving no trace in the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ckd_plugins.host.state import preserved, without_caches
from ckd_plugins.students.families import full_sort_is_own, loss_arguments, loss_method, make_ready, require_student
from ckd_plugins.students.memory import saved_for_backward
from ckd_plugins.students.readers.base import Catalogue, Link, Reader, gather, per_row, select
from ckd_plugins.students.readers.pointwise import expand
from ckd_plugins.students.rows import positives

__all__ = ["Probe", "Verdict"]

_TOLERANCE = 1e-4
_RESHAPES = (
    "View",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Expand",
    "Clone",
    "Alias",
    "Index",
    "Select",
    "Slice",
    "Copy",
    "Cat",
)
_APPLY = {"identity": lambda s: s, "sigmoid": torch.sigmoid, "log": torch.exp}


@dataclass(frozen=True)
class Verdict:
    """What a probe found; true when the reader may be used."""

    reader: Reader
    reason: str
    """``""`` when accepted."""

    def __bool__(self) -> bool:
        return not self.reason


class Probe:
    """Checks readers of one model against its ``full_sort_predict``, or ``predict`` where it has no other.

    What is compared are the scores themselves, to 1e-4 of their spread. No free scale or offset is allowed: a reader
    that forgets a temperature, a norm or a bias would pass with one and distil something else than what ranks. A
    model may rank by probabilities (``link``), which are compared as such while the reader gives raw scores.

    Parameters that are constant, as biases are before training, are moved during a check: a reader that forgets a
    bias agrees as long as it is 0.

    Args:
        model: the model instance.
        interaction: a training batch, as RecBole's loader gives it.
        item_features: every item's features by item id: ``dataset.get_item_feature()``, or a mapping of tensors.
        n_items: number of item ids, padding included: ``dataset.num(item_field)``.
        item_field: name of the item column.
        label_field: name of the label column.
        rows: at most so many rows are compared.
        candidates: at most so many items are compared.

    Raises:
        StudentError: the model is not trained by gradients.
    """

    def __init__(
        self,
        model: Any,
        interaction: Any,
        item_features: Any,
        n_items: int,
        *,
        item_field: str = "item_id",
        label_field: str = "label",
        rows: int = 8,
        candidates: int = 16,
    ) -> None:
        require_student(model)
        self.model = model
        self.accepted: Reader | None = None
        """The reader that was accepted last."""
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        columns = item_features if isinstance(item_features, Mapping) else {k: item_features[k] for k in item_features}
        features = {k: v.to(device) for k, v in columns.items() if k != item_field}
        self.catalogue = Catalogue(n_items, item_field, features)
        self.interaction = interaction.to(device)
        self._column = getattr(model, "USER_ID", "user_id")
        batch = self._per_row(self.interaction)
        where = positives(batch, None, label_field=label_field, pairwise=False)
        self._rows = torch.arange(len(batch), device=device)[where][:rows]
        shared = torch.linspace(1, n_items - 1, min(candidates, n_items - 1), device=device).long()
        shift = torch.arange(len(self._rows), device=device)[:, None]
        own = (shared + shift - 1) % (n_items - 1) + 1
        self._candidates = (shared, own)
        self._reference, self.link = self._own_predictions()

    def accepts(self, reader: Reader) -> Verdict:
        """Whether a reader gives the model's own scores, with gradients that reach its parameters."""
        try:
            verdict = Verdict(reader, self._disagreement(reader) or self._lost_gradient(reader))
            self.accepted = reader if verdict else self.accepted
            return verdict
        except Exception as error:
            # A reader is tried on models that it was not written for: whatever it raises means "not this one".
            return Verdict(reader, f"{type(error).__name__}: {' '.join(str(error).split())}")
        finally:
            reader.forget()

    def loss_reaches_parameters(self) -> bool:
        """Whether the model's own loss has a gradient; NCEPLRec's, for one, has none."""
        with self._checking(training=True):
            loss = self._own_loss()
            return _gradient(self.model, sum(loss) if isinstance(loss, tuple) else loss) is not None

    def own_ranking_draws(self) -> bool:
        """Whether the model draws random numbers to rank by (KTUP, KGIN), so that two rankings differ."""
        (first, _), _ = self._own_predictions(seed=0)
        (second, _), _ = self._own_predictions(seed=1)
        return not torch.equal(first, second)

    def _own_predictions(self, seed: int = 0) -> tuple[tuple[Tensor, Tensor], Link]:
        model, catalogue, rows = self.model, self.catalogue, len(self._rows)
        shared, own = self._candidates
        with self._checking(training=False):
            batch = select(self._per_row(self.batch()), self._rows)
            if full_sort_is_own(model):
                full = _seeded(model.full_sort_predict, batch, seed=seed)
                link, full = _link(full, rows), full.detach().reshape(rows, -1)[:, : catalogue.n_items].float()
                return (gather(full, shared), gather(full, own)), link
            first, second = (
                _seeded(model.predict, expand(batch, c, rows, catalogue), seed=seed) for c in (shared, own)
            )
            link = "sigmoid" if _is_sigmoid(first) else "identity"
            return (first.detach().reshape(rows, -1).float(), second.detach().reshape(rows, -1).float()), link

    def _disagreement(self, reader: Reader) -> str:
        with self._checking(training=False), torch.no_grad():
            batch = self.batch()
            with reader.watch():
                _seeded(self._own_loss, batch)
            for candidates, expected in zip(self._candidates, self._reference, strict=True):
                scores = _seeded(reader.scores, self._per_row(batch), self._rows, candidates)
                if scores.shape != expected.shape:
                    return f"scores have shape {list(scores.shape)}, not {list(expected.shape)}"
                found = _APPLY[self.link](scores.float())
                spread = (expected - expected.mean()).abs().max()
                rounding = 4 * torch.finfo(torch.float32).eps * expected.abs().max()
                error = (found - expected).abs().max()
                if not bool(error <= _TOLERANCE * spread + rounding):
                    return f"scores differ from the model's own by {float(error / spread):.2g} of their spread"
        return ""

    def _lost_gradient(self, reader: Reader) -> str:
        with self._checking(training=True):  # recurrent networks on a GPU have no backward in eval mode
            batch = self.batch()
            with reader.watch():
                self._own_loss(batch)
            shared, half = self._candidates[0], self._candidates[0][: len(self._candidates[0]) // 2]
            if reader.max_candidates is not None:
                reader.pair_bytes = self._pair_bytes(reader, batch, shared, half)
            scores = reader.scores(self._per_row(batch), self._rows, shared)
            weights = torch.linspace(-1, 1, scores.numel(), device=scores.device).view_as(scores)
            norm = _gradient(self.model, (scores * weights).sum())
        if norm is None:
            return "no gradient reaches a parameter"
        return "" if bool(torch.isfinite(norm)) else "the gradient is not finite"

    def _pair_bytes(self, reader: Reader, batch: Any, more: Tensor, fewer: Tensor) -> int:
        """By the difference: what is kept once, however many pairs there are, does not count."""
        sizes = []
        for candidates in (more, fewer):
            with saved_for_backward(self.model) as saved:
                reader.scores(self._per_row(batch), self._rows, candidates)
            sizes.append(saved.bytes)
        return max(0, sizes[0] - sizes[1]) // max(1, len(self._rows) * (len(more) - len(fewer)))

    def batch(self) -> Any:
        """A copy of the batch: some losses write into their batch (FEARec, HRM)."""
        return type(self.interaction)({k: self.interaction[k].clone() for k in self.interaction})

    def _per_row(self, batch: Any) -> Any:
        return per_row(batch, self._column)

    def _own_loss(self, batch: Any = None) -> Any:
        loss = getattr(self.model, loss_method(self.model))
        return loss(self.batch() if batch is None else batch, **loss_arguments(self.model))

    @contextmanager
    def _checking(self, *, training: bool) -> Iterator[None]:
        with preserved(self.model), without_caches(self.model), _moved_constants(self.model):
            self.model.train()  # SGL samples the graphs of its loss here
            self.model.train(training)
            make_ready(self.model)
            with torch.enable_grad():
                yield


def _seeded(function: Callable[..., Any], *arguments: Any, seed: int = 0) -> Any:
    """Call with the same random numbers each time: some models draw some to rank by. The RNGs are forked here."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    return function(*arguments)


@contextmanager
def _moved_constants(model: torch.nn.Module) -> Iterator[None]:
    generator = torch.Generator().manual_seed(0)
    saved: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() and bool(parameter.min() == parameter.max()):
                saved.append((parameter, parameter.clone()))
                noise = torch.rand(parameter.shape, generator=generator).to(parameter) - 0.5
                parameter.add_(noise, alpha=0.1)
    try:
        yield
    finally:
        with torch.no_grad():
            for moved, value in saved:
                moved.copy_(value)


def _link(predictions: Tensor, rows: int) -> Link:
    """How a model's ranking of the catalogue follows from raw scores."""
    if _is_sigmoid(predictions):
        return "sigmoid"
    values = predictions.detach().reshape(rows, -1)
    totals = values.sum(dim=1)
    return (
        "log"
        if bool((values >= 0).all()) and torch.allclose(totals, torch.ones_like(totals), atol=1e-2)
        else "identity"
    )


def _is_sigmoid(predictions: Tensor) -> bool:
    """Whether a sigmoid made the predictions: their values cannot tell (NPE's raw scores start out small, above 0)."""
    node = predictions.grad_fn
    while node is not None and any(part in node.name() for part in _RESHAPES):
        node = node.next_functions[0][0] if node.next_functions else None
    return node is not None and "Sigmoid" in node.name() and "LogSigmoid" not in node.name()


def _gradient(model: torch.nn.Module, value: Any) -> Tensor | None:
    """Norm of the gradient with respect to the parameters, or ``None`` when there is none or it is 0."""
    if not isinstance(value, Tensor) or not value.requires_grad:
        return None
    parameters = [p for p in model.parameters() if p.requires_grad]
    found = torch.autograd.grad(value.sum(), parameters, allow_unused=True)
    norms = [g.coalesce().values().norm() if g.is_sparse else g.norm() for g in found if g is not None]
    norm = torch.stack(norms).norm() if norms else None
    return None if norm is None or bool(norm == 0) else norm
