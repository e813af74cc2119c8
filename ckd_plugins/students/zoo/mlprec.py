"""A small student for serving: a perceptron over a pooled history."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ckd_plugins.errors import ConfigError
from ckd_plugins.host.abstract import SequentialRecommender

__all__ = ["MLPRec"]


class MLPRec(SequentialRecommender):  # type: ignore[misc]
    r"""Pools a history in two ways and maps it with a multi-layer perceptron into the item space.

    The input is ``[newest item, recency-weighted mean]``; the weights of the mean are a softmax over learnt scores of
    how long ago an item was. There is neither attention nor recurrence: a user costs :math:`O(L d)`, and it consists
    of look-ups, sums and three matrix products, which every serving runtime has. The output is added to the newest
    item's vector, so that an untrained perceptron already recommends neighbours of what was seen last.

    Source: Covington et al., Deep Neural Networks for YouTube Recommendations, RecSys 2016, section 3 (a mean of
    embeddings and a perceptron, softmax over the items); the recency weights and the newest item beside the mean are
    ours.

    Settings: ``embedding_size``, ``mlp_hidden_size`` (widths of the hidden layers), ``dropout_prob``.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        width, hidden = config["embedding_size"], config["mlp_hidden_size"]
        if config["loss_type"] != "CE":
            raise ConfigError(f"loss_type is {config['loss_type']!r}; MLPRec knows CE")
        self.item_embedding = nn.Embedding(self.n_items, width, padding_idx=0)
        self.recency = nn.Embedding(self.max_seq_length, 1)
        sizes = [2 * width, *hidden, width]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Dropout(config["dropout_prob"]), nn.Linear(before, after), nn.GELU()]
        self.mlp = nn.Sequential(*layers[:-1])
        self.loss_fct = nn.CrossEntropyLoss()
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """The user's vector ``[B, d]`` after items ``[B, L]``, right-padded, of which ``[B]`` are there."""
        items = self.item_embedding(item_seq)
        ago = item_seq_len[:, None] - 1 - torch.arange(item_seq.shape[1], device=item_seq.device)
        scores = self.recency(ago.clamp(0, self.max_seq_length - 1)).squeeze(-1)
        weights = scores.masked_fill(ago < 0, -torch.inf).softmax(dim=1)
        mean = (weights.unsqueeze(1) @ items).squeeze(1)
        newest = self.gather_indexes(items, item_seq_len - 1)
        output: Tensor = newest + self.mlp(torch.cat([newest, mean], dim=1))
        return output

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Cross-entropy of the next item over the catalogue."""
        loss: Tensor = self.loss_fct(self._scores(interaction), interaction[self.POS_ITEM_ID])
        return loss

    def predict(self, interaction: Any) -> Tensor:
        """Scores ``[B]`` of each row's item."""
        user = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        scores: Tensor = (user * self.item_embedding(interaction[self.ITEM_ID])).sum(dim=1)
        return scores

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores ``[B, n_items]`` of all items."""
        return self._scores(interaction)

    def _scores(self, interaction: Any) -> Tensor:
        user = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        scores: Tensor = user @ self.item_embedding.weight.T
        return scores
