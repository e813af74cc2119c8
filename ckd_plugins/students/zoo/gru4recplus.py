"""GRU4Rec that learns from all positions at once."""

from __future__ import annotations

from torch import Tensor

from ckd_plugins.host.abstract import GRU4Rec
from ckd_plugins.students.zoo.positions import AllPositions

__all__ = ["GRU4RecPlus"]


class GRU4RecPlus(AllPositions, GRU4Rec):  # type: ignore[misc]
    """RecBole's GRU4Rec, trained on every position of a sequence in one pass.

    Parameters and inference are GRU4Rec's, name by name: ``GRU4Rec.load_state_dict`` takes its weights. The original
    is trained this way too (Hidasi and Karatzoglou, Recurrent Neural Networks with Top-k Gains, CIKM 2018, with
    negatives shared by a batch); the losses are those of
    :class:`~ckd_plugins.students.zoo.sasrecplus.SASRecPlus`.
    """

    def encode(self, item_seq: Tensor) -> Tensor:
        """States ``[B, L, d]``: what ``forward`` computes before it takes the last one."""
        output, _ = self.gru_layers(self.emb_dropout(self.item_embedding(item_seq)))
        states: Tensor = self.dense(output)
        return states
