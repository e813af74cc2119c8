"""What a reader is: candidate scores out of the forward pass that the student's own loss runs anyway."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

__all__ = ["Catalogue", "Link", "Reader", "gather", "invert", "per_row", "select", "size"]

Link = Literal["identity", "sigmoid", "log"]
"""How the model's own predictions follow from raw scores: as they are, as probabilities of a click, or as a
distribution over the catalogue (``exp`` of the score)."""


@dataclass(frozen=True)
class Catalogue:
    """The student's items.

    Attributes:
        n_items: number of item ids, padding included.
        item_field: name of the item column.
        features: column name to tensor ``[n_items, ...]``, by item id, as RecBole's ``dataset.get_item_feature()``
            gives them; the item column itself may be absent.
    """

    n_items: int
    item_field: str
    features: Mapping[str, Tensor]


class Reader(ABC):
    """Reads ``[P, C]`` raw scores of candidates from a model instance.

    A reader watches the model's own loss once per batch and is then asked for scores, which carry gradients::

        with reader.watch():
            own = model.calculate_loss(batch)
        scores = reader.scores(batch, rows.positions, candidates)
        reader.forget()

    Args:
        model: the stock RecBole model instance; it is never changed for longer than ``watch`` lasts.
    """

    name: ClassVar[str]
    """How tables and messages call the reader."""
    softmax: ClassVar[bool] = False
    """Whether the model's own loss is a softmax over the catalogue, of the scores that are read."""
    passes: int = 1
    """How often the rows of a batch go through the model in one step, its own loss included; a call on their
    candidates in the item's place is no pass of the rows."""
    max_candidates: int | None = None
    """More candidates than this make the reader costly; ``None`` when it has no such limit."""
    pair_bytes: int = 0
    """What a (row, candidate) pair keeps in memory until the backward pass, as a probe measured it."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch the model's own loss; the model's ``__dict__`` and hooks are as before afterwards."""
        yield

    @abstractmethod
    def scores(self, interaction: Any, positions: slice | Tensor, candidates: Tensor) -> Tensor:
        """Raw scores of the candidates, with gradients.

        Args:
            interaction: the batch that the watched loss ran on, without columns that have not one value a row (the
                triples of a knowledge graph).
            positions: the ``P`` rows to score, a slice or ``LongTensor [P]``.
            candidates: item ids, ``LongTensor [C]`` for all rows or ``[P, C]``.

        Returns:
            ``FloatTensor [P, C]``.
        """

    def forget(self) -> None:  # noqa: B027 — a reader that captures nothing has nothing to drop
        """Drop what ``watch`` captured, so that its graph can be freed."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.model).__name__})"


def gather(full: Tensor, candidates: Tensor) -> Tensor:
    """Pick candidates ``[C]`` or ``[P, C]`` from scores ``[P, n_items]``."""
    return full[:, candidates] if candidates.dim() == 1 else full.gather(1, candidates)


def per_row(interaction: Any, column: str) -> Any:
    """A batch without the columns that are of another length than one of its columns.

    A knowledge graph's triples travel in the batch of the interactions, as many or more: RecBole then counts the
    triples for the batch's length.
    """
    if column not in interaction:
        return interaction
    rows = len(interaction[column])
    columns = {k: interaction[k] for k in interaction}
    if all(len(v) == rows for v in columns.values()):
        return interaction
    return type(interaction)({k: v for k, v in columns.items() if len(v) == rows})


def select(interaction: Any, positions: slice | Tensor) -> Any:
    """The rows of a batch as a batch; columns that are not one value a row stay whole."""
    length = len(interaction)
    if isinstance(positions, slice) and positions == slice(0, length):
        return interaction
    columns = {k: interaction[k] for k in interaction}
    return type(interaction)({k: v[positions] if len(v) == length else v for k, v in columns.items()})


def size(positions: slice | Tensor) -> int:
    """Number of rows that positions stand for."""
    return positions.stop - positions.start if isinstance(positions, slice) else len(positions)


def invert(values: Tensor, link: Link) -> Tensor:
    """Raw scores from a model's predictions.

    Probabilities are kept ``1e-6`` away from 0 and 1: single precision holds no logit beyond about 14 anyway.
    """
    if link == "sigmoid":
        return torch.logit(values, eps=1e-6)
    return values.clamp_min(1e-20).log() if link == "log" else values
