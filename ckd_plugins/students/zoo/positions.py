"""What models have in common that learn from every position of a sequence in one pass."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import torch
from torch import Tensor

from ckd_plugins.errors import ConfigError
from ckd_plugins.students.rows import Rows
from ckd_plugins.students.zoo.losses import ItemLoss, item_loss

__all__ = ["AllPositions", "PositionRows", "next_items", "position_rows"]


class AllPositions:
    """Mixin before a RecBole sequential model that is causal: one row of training is a window, not a prefix.

    What the base class infers with is left alone: ``forward``, ``predict``, ``full_sort_predict`` and the parameters
    are its own, so that weights learnt here serve in RecBole's model.

    Settings: ``train_loss`` (``gbce``, ``sampled_softmax``, ``softmax``), ``n_negatives``, ``gbce_t``.
    """

    ITEM_SEQ: str
    ITEM_SEQ_LEN: str
    POS_ITEM_ID: str
    item_embedding: Any
    train_losses: ClassVar[tuple[str, ...]] = get_args(ItemLoss)

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)  # type: ignore[call-arg]
        lengths = dataset.inter_feat[self.ITEM_SEQ_LEN]
        self.targets_per_row = float(lengths.double().mean())
        self.train_loss = config["train_loss"]
        self.n_negatives, self.gbce_t = config["n_negatives"], config["gbce_t"]
        if self.train_loss not in self.train_losses:
            raise ConfigError(f"train_loss is {self.train_loss!r}; it must be one of {', '.join(self.train_losses)}")
        if not isinstance(self.n_negatives, int) or self.n_negatives < 1:
            raise ConfigError(f"n_negatives must be a whole number of at least 1, not {self.n_negatives!r}")
        if not isinstance(self.gbce_t, int | float) or not 0 <= self.gbce_t <= 1:
            raise ConfigError(f"gbce_t must lie between 0 and 1, not {self.gbce_t!r}")

    def share(self, targets: int, rows: int) -> float:
        """How many targets a batch has, relative to how many so many rows have on average.

        Batches of short sequences have few targets. Weighted by their share, all targets count alike; as plain means,
        those of short sequences would count the more, the better sequences of like length are drawn together.
        """
        return targets / (rows * self.targets_per_row)

    def encode(self, item_seq: Tensor) -> Tensor:
        """States ``[B, L, d]`` after each of the items ``[B, L]``, none of which sees a later item."""
        raise NotImplementedError

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Mean loss over all targets of the batch's windows, times the batch's :meth:`share`."""
        lengths = interaction[self.ITEM_SEQ_LEN]
        item_seq = interaction[self.ITEM_SEQ]
        inside = torch.arange(item_seq.shape[1], device=item_seq.device) < lengths[:, None]
        targets = next_items(item_seq, lengths, interaction[self.POS_ITEM_ID])[inside]
        states = self.encode(item_seq)[inside]
        table: Tensor = self.item_embedding.weight
        kind: ItemLoss = self.train_loss
        loss = item_loss(kind, states, table, targets, n_negatives=self.n_negatives, t=self.gbce_t)
        return loss * self.share(len(targets), len(lengths))


def next_items(item_seq: Tensor, lengths: Tensor, last: Tensor) -> Tensor:
    """The item that follows at each position: ``[B, L]``; beyond a row's length, anything.

    Args:
        item_seq: ``[B, L]`` items, right-padded.
        lengths: ``[B]``.
        last: ``[B]`` the item after the last.
    """
    following = torch.cat([item_seq[:, 1:], torch.zeros_like(last)[:, None]], dim=1)
    return following.scatter(1, (lengths - 1)[:, None], last[:, None])


class PositionRows:
    """Every position of a batch's windows as a row; its place is ``row * width + position``.

    A window's row id is that of its first position; the others follow.

    Args:
        model: an :class:`AllPositions`; names the columns.
        row_field: column with the row ids.
    """

    def __init__(self, model: Any, row_field: str = "ckd_row") -> None:
        self._sequence, self._length, self._item = model.ITEM_SEQ, model.ITEM_SEQ_LEN, model.POS_ITEM_ID
        self._row_field, self._share = row_field, model.share

    def __call__(self, interaction: Any) -> Rows | None:
        """Return all positions that have an item."""
        if self._row_field not in interaction or len(interaction) == 0:
            return None
        item_seq, lengths = interaction[self._sequence], interaction[self._length]
        steps = torch.arange(item_seq.shape[1], device=item_seq.device)
        inside = steps < lengths[:, None]
        targets = next_items(item_seq, lengths, interaction[self._item])
        ids = interaction[self._row_field].long()[:, None] + steps
        where = inside.reshape(-1).nonzero().squeeze(-1)
        return Rows(where, ids[inside], targets[inside], self._share(len(where), len(lengths)))


def position_rows(model: Any) -> PositionRows:
    """The ``rows`` of a :class:`~ckd_plugins.StudentSpec` whose model is trained on windows."""
    return PositionRows(model)
