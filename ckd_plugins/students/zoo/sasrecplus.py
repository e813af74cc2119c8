"""SASRec that learns from all positions at once."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ckd_plugins.host.abstract import SASRec
from ckd_plugins.students.zoo.positions import AllPositions

__all__ = ["SASRecPlus"]


class SASRecPlus(AllPositions, SASRec):  # type: ignore[misc]
    """RecBole's SASRec, trained on every position of a sequence in one pass.

    Parameters and inference are SASRec's, name by name: ``SASRec.load_state_dict`` takes its weights. What differs is
    the training: one causal pass a sequence instead of one a prefix.

    Source: Klenitskiy and Vasilev, Turning Dross Into Gold Loss: is BERT4Rec really better than SASRec?, RecSys 2023,
    whose SASRec+ has a softmax over the catalogue at all positions; with ``train_loss: gbce`` the loss is that of
    gSASRec (Petrov and Macdonald, RecSys 2023), negatives shared by a batch. All positions at once, with one negative
    each, is the original (Kang and McAuley, ICDM 2018).
    """

    def encode(self, item_seq: Tensor) -> Tensor:
        """States ``[B, L, d]``: what ``forward`` computes before it takes the last one, with fused attention.

        Sequences are padded on the right, so that with a causal mask no item sees padding.
        """
        hidden = self.item_embedding(item_seq) + self.position_embedding.weight[: item_seq.shape[1]]
        hidden = self.dropout(self.LayerNorm(hidden))
        for layer in self.trm_encoder.layer:
            hidden = layer.feed_forward(_attend(layer.multi_head_attention, hidden))
        states: Tensor = hidden
        return states


def _attend(attention: SASRec, hidden: Tensor) -> Tensor:
    """RecBole's ``MultiHeadAttention`` with a causal mask, by torch's fused kernel."""
    heads = (attention.num_attention_heads, attention.attention_head_size)
    query, key, value = (
        project(hidden).unflatten(-1, heads).transpose(1, 2)
        for project in (attention.query, attention.key, attention.value)
    )
    drop = attention.attn_dropout.p if attention.training else 0.0
    context = F.scaled_dot_product_attention(query, key, value, dropout_p=drop, is_causal=True)
    output = attention.out_dropout(attention.dense(context.transpose(1, 2).flatten(2)))
    normalised: Tensor = attention.LayerNorm(output + hidden)
    return normalised
