"""Expanded rows: models that score one (user, item) pair a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ckd_plugins.errors import StudentError
from ckd_plugins.host.speed.lists import ItemLists
from ckd_plugins.host.state import forked_rng, frozen_statistics, without_caches
from ckd_plugins.students.readers.base import Catalogue, Link, Reader, invert, select, size
from ckd_plugins.students.readers.forward import recorded

__all__ = ["ExpandedRows", "expand"]


class ExpandedRows(Reader):
    """Scores ``P x C`` rows, each a positive row with a candidate and its features in the item's place, in one call.

    Feature interaction (FM, DeepFM, xDeepFM, DCN ...), NeuMF, DMF, KGCN and others mix user and item from the first
    layer on: other items are other rows. Batch normalisation does not count them in its running statistics.

    Args:
        model: the model instance.
        catalogue: the items and their features.
        source: ``"forward"`` takes what ``forward`` returns inside ``predict``, as a rule the logit; ``"predict"`` the
            prediction.
        link: how what is taken follows from raw scores; undone here.
    """

    name = "expanded rows"
    max_candidates = 16

    def __init__(
        self,
        model: Any,
        catalogue: Catalogue,
        source: Literal["forward", "predict"] = "forward",
        link: Link = "identity",
    ) -> None:
        super().__init__(model)
        self.catalogue, self.source, self.link = catalogue, source, link

    @classmethod
    def offered(cls, model: nn.Module, catalogue: Catalogue, link: Link) -> Iterator[ExpandedRows]:
        """Yield readers of ``forward`` as a logit and as a probability (FISM), then of the prediction."""
        yield cls(model, catalogue, "forward")
        yield cls(model, catalogue, "forward", "sigmoid")
        yield cls(model, catalogue, "predict", link)

    def scores(self, interaction: Any, positions: slice | Tensor, candidates: Tensor) -> Tensor:
        """One call of ``predict`` on ``P * C`` rows."""
        model, rows = self.model, size(positions)
        batch = expand(select(interaction, positions), candidates, rows, self.catalogue)
        extra = without_caches(model), forked_rng(model), frozen_statistics(model), self._lists(batch)
        with extra[0], extra[1], extra[2], extra[3], recorded(model) as calls:
            predicted = model.predict(batch)
        if self.source == "predict":
            return invert(predicted, self.link).reshape(rows, -1)
        output = calls[0].output if calls else None
        logit = output[0] if isinstance(output, tuple) else output
        if not isinstance(logit, Tensor) or logit.numel() != len(batch):
            raise StudentError(f"{type(model).__name__}: forward does not return one logit a row")
        return invert(logit, self.link).reshape(rows, -1)

    def _lists(self, batch: Any) -> AbstractContextManager[None]:
        """The candidates' lists are embedded once each: most candidates are many rows'."""
        lists = {name: column for name, column in self.catalogue.features.items() if column.dim() > 1}
        if not lists:
            return nullcontext()
        items, index = batch[self.catalogue.item_field].unique(return_inverse=True)
        distinct = {name: column.to(items.device)[items] for name, column in lists.items()}
        return ItemLists(self.model, type(batch)(distinct)).of(batch, index)


def expand(batch: Any, candidates: Tensor, rows: int, catalogue: Catalogue) -> Any:
    """Repeat each row for its candidates ``[C]`` or ``[rows, C]``, and join their features in."""
    count = candidates.shape[-1]
    items = candidates.expand(rows, count).reshape(-1)
    whole = len(batch)
    columns = {k: batch[k] for k in batch}
    wide = {k: torch.repeat_interleave(v, count, dim=0) if len(v) == whole else v for k, v in columns.items()}
    wide.update({k: v.to(items.device)[items] for k, v in catalogue.features.items()})
    wide[catalogue.item_field] = items
    return type(batch)(wide)
