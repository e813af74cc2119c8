"""A factorised Markov chain."""

from __future__ import annotations

from typing import Any

from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor, nn

__all__ = ["MarkovRec"]


class MarkovRec(SequentialRecommender):
    """Scores the next item by the last one: the product of a vector as predecessor and one as successor.

    Source: Rendle et al., Factorizing Personalized Markov Chains, WWW 2010, without the user's part.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        width = config["embedding_size"]
        self.last_embedding = nn.Embedding(self.n_items, width, padding_idx=0)
        self.item_embedding = nn.Embedding(self.n_items, width, padding_idx=0)
        self.loss_fct = nn.CrossEntropyLoss()
        for table in (self.last_embedding, self.item_embedding):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """Vectors ``[B, d]`` of the last of the items ``[B, L]``."""
        last = item_seq.gather(1, (item_seq_len - 1).unsqueeze(1)).squeeze(1)
        return self.last_embedding(last)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Cross-entropy over the catalogue."""
        return self.loss_fct(self.full_sort_predict(interaction), interaction[self.POS_ITEM_ID])

    def predict(self, interaction: Any) -> Tensor:
        """Scores ``[B]`` of each row's item."""
        state = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return (state * self.item_embedding(interaction[self.ITEM_ID])).sum(dim=1)

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores ``[B, n_items]`` of all items."""
        state = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return state @ self.item_embedding.weight.T
