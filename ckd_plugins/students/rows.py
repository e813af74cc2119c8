"""Which rows of a training batch are distilled: the positive ones that have a row id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = ["BatchRows", "RowSource", "Rows", "UserRows", "positives"]


class Rows(NamedTuple):
    """The rows of a batch that are distilled.

    Attributes:
        positions: where they stand in the batch: a slice where they are its first ``P`` rows (indexing with it copies
            nothing), else ``LongTensor [P]``.
        ids: ``LongTensor [P]`` row ids, as the signals know them.
        targets: ``LongTensor [P]`` item ids of the positives.
        scale: what the batch's distillation loss, a mean over its rows, is multiplied by: for batches that differ in
            their number of rows as a matter of course, and whose own loss is scaled alike.
    """

    positions: slice | Tensor
    ids: Tensor
    targets: Tensor
    scale: float = 1.0


class RowSource(Protocol):
    """Finds the rows of a batch."""

    def __call__(self, interaction: Any) -> Rows | None:
        """Return the rows to distil, or ``None`` when the batch has none."""


def positives(interaction: Any, ids: Tensor | None, *, label_field: str, pairwise: bool) -> slice | Tensor:
    """Positions of a batch's positive rows, each once.

    RecBole tiles a batch for its sampled negatives: point-wise, the copies get another item and label 0; pair-wise
    with ``k`` negatives, the positives stand ``k`` times. Both keep the row ids of their positives.
    """
    length = len(interaction) if ids is None else len(ids)  # a batch with triples of a graph may be longer
    first = length
    if ids is not None and (pairwise or label_field in interaction):
        again = (ids[1:] == ids[0]).nonzero()
        period = int(again[0]) + 1 if len(again) else length
        if length % period == 0 and bool((ids.view(-1, period) == ids[:period]).all()):
            first = period
    if label_field in interaction:
        positive: Tensor = interaction[label_field][:first] > 0
        if not bool(positive.all()):
            return positive.nonzero().squeeze(-1)
    return slice(0, first)


@dataclass(frozen=True)
class BatchRows:
    """Rows by the extra column that travels through RecBole's loaders.

    Args:
        row_field: column with the row ids; negative ids are rows without a signal.
        item_field: column with the item of the row.
        label_field: column with the label; a batch without it has positives only.
        negative_field: column with the sampled negative of a pair-wise batch.
    """

    row_field: str = "ckd_row"
    item_field: str = "item_id"
    label_field: str = "label"
    negative_field: str = "neg_item_id"

    def __call__(self, interaction: Any) -> Rows | None:
        """Return the positive rows with an id, or ``None``."""
        if self.row_field not in interaction or self.item_field not in interaction or len(interaction) == 0:
            return None
        ids, targets = interaction[self.row_field].long(), interaction[self.item_field]
        pairwise = self.negative_field in interaction
        where = positives(interaction, ids, label_field=self.label_field, pairwise=pairwise)
        return _known(where, ids[where], targets[where])


@dataclass(frozen=True, eq=False)
class UserRows:
    """Rows by user, for autoencoders, whose batches hold nothing else: the row id is the user id.

    Args:
        targets: ``LongTensor [n_users]`` the item that each user's instance asks for; 0 for users without one.
        user_field: column with the user ids.
    """

    targets: Tensor
    user_field: str = "user_id"

    def __call__(self, interaction: Any) -> Rows | None:
        """Return the users that have a target, or ``None``."""
        if self.user_field not in interaction or len(interaction) == 0:
            return None
        users = interaction[self.user_field]
        targets = self.targets.to(users.device)[users]
        return _known(slice(0, len(users)), torch.where(targets > 0, users, -1), targets)


def _known(where: slice | Tensor, ids: Tensor, targets: Tensor) -> Rows | None:
    known = ids >= 0
    if bool(known.all()):
        return Rows(where, ids, targets) if len(ids) else None
    kept = known.nonzero().squeeze(-1)
    if len(kept) == 0:
        return None
    positions = kept if isinstance(where, slice) else where[kept]
    return Rows(positions, ids[kept], targets[kept])
