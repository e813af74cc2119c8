"""Recformer's pre-training: item-item contrast and masked words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ckd_plugins.teachers.losses import in_batch_contrastive
from ckd_plugins.teachers.recformer.examples import Batch, Rows
from ckd_plugins.teachers.recformer.masking import mask_words
from ckd_plugins.teachers.recformer.matching import Reader
from ckd_plugins.teachers.recformer.net import Net, widened
from ckd_plugins.teachers.recformer.tokens import ItemTokens, TokenBatch

__all__ = ["Pretraining"]


class Pretraining(Reader):
    r"""The loss :math:`\mathcal L_{PT} = \mathcal L_{IIC} + \lambda\,\mathcal L_{MLM}`.

    .. math:: \mathcal L_{IIC} = -\log\frac{e^{\cos(h_s, h_i^+)/\tau}}{\sum_{i \in B} e^{\cos(h_s, h_i)/\tau}}

    over the batch's targets; those that are a row's own target once more are no negatives of it. The masked words are
    those of the sequences and those of their targets, a mean for each.

    Args:
        net: as for :class:`Reader`, with ``tokens``, ``longest`` and ``low_precision``.
        tokens: see there.
        longest: see there.
        low_precision: see there.
        temperature: :math:`\tau`.
        masked_weight: :math:`\lambda`.
        masked_share: share of words that are hidden.
        mask: id of the mask token.
        separate: read masked texts in a pass of their own; otherwise the contrast is between masked texts.
        vocabulary: hidden words are told from the ids below this number; ``None``: from those of ``tokens``.
    """

    def __init__(
        self,
        net: Net,
        tokens: ItemTokens,
        longest: int,
        *,
        low_precision: bool,
        temperature: float,
        masked_weight: float,
        masked_share: float,
        mask: int,
        separate: bool,
        vocabulary: int | None,
    ) -> None:
        super().__init__(net, tokens, longest, low_precision=low_precision)
        self.temperature, self.masked_weight, self.masked_share = temperature, masked_weight, masked_share
        self.mask, self.separate = mask, separate
        words = np.unique(tokens.ids) if vocabulary is None else np.arange(vocabulary)
        self.register_buffer("words", torch.from_numpy(words.astype(np.int64)).to(self.device), persistent=False)
        self.words: Tensor

    def batches(self, rows: Rows, batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield an epoch's batches of like length."""
        return rows.batches(rows.tokens(self.tokens.lengths, self.longest), batch_size, rng)

    def loss(self, batch: Batch) -> Tensor:
        """Return the batch's loss."""
        targets, which = np.unique(batch.target, return_inverse=True)
        with self.autocast():
            sequences, words = self._side(self.assemble(batch.items), history=True)
            items, item_words = self._side(self.assemble(targets[:, None] + 1), history=False)
        index = torch.from_numpy(which).to(self.device)
        contrast = in_batch_contrastive(widened(sequences), widened(items)[index], index, self.temperature)
        return contrast + self.masked_weight * (words + item_words)

    def _side(self, batch: TokenBatch, *, history: bool) -> tuple[Tensor, Tensor]:
        """The vectors of some texts, and the loss of their hidden words."""
        if not self.masked_weight:
            return self.net.vectors(batch, history=history), torch.zeros((), device=self.device)
        masked, chosen = mask_words(batch, self.masked_share, self.mask, self.words)
        states = self.net.states(masked)
        words = self.net.masked_words(states, batch, chosen, self.words)
        if self.separate:
            return self.net.vectors(batch, history=history), words
        return self.net.pool(states, batch, history=history), words
