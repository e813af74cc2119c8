"""The causal transformer of SASRec, with the parameter names of RecBole's ``TransformerEncoder``.

The names are those of published UniSRec and VQ-Rec checkpoints. Attention runs through
``scaled_dot_product_attention``. Sequences are right padded, so the causal mask alone keeps padding out of every state
that is read.
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from ckd_plugins.teachers.nets.dropout import Dropout

__all__ = ["TransformerEncoder"]


class MultiHeadAttention(nn.Module):
    """Causal self-attention, residual, layer norm."""

    def __init__(self, hidden_size: int, n_heads: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.n_heads, self.attention_dropout = n_heads, attention_dropout
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.LayerNorm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.out_dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, L, d] -> [B, L, d]``."""
        query, key, value = (self._heads(linear(x)) for linear in (self.query, self.key, self.value))
        attended = F.scaled_dot_product_attention(
            query, key, value, dropout_p=self.attention_dropout if self.training else 0.0, is_causal=True
        )
        joined = attended.transpose(1, 2).reshape(x.shape)
        return cast(Tensor, self.LayerNorm(self.out_dropout(self.dense(joined)) + x))

    def _heads(self, x: Tensor) -> Tensor:
        batch, length, size = x.shape
        return x.view(batch, length, self.n_heads, size // self.n_heads).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them, residual, layer norm."""

    def __init__(self, hidden_size: int, inner_size: int, dropout: float) -> None:
        super().__init__()
        self.dense_1 = nn.Linear(hidden_size, inner_size)
        self.dense_2 = nn.Linear(inner_size, hidden_size)
        self.LayerNorm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, L, d] -> [B, L, d]``."""
        return cast(Tensor, self.LayerNorm(self.dropout(self.dense_2(F.gelu(self.dense_1(x)))) + x))


class TransformerLayer(nn.Module):
    """Attention, then feed-forward."""

    def __init__(
        self, hidden_size: int, n_heads: int, inner_size: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.multi_head_attention = MultiHeadAttention(hidden_size, n_heads, dropout, attention_dropout)
        self.feed_forward = FeedForward(hidden_size, inner_size, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, L, d] -> [B, L, d]``."""
        return cast(Tensor, self.feed_forward(self.multi_head_attention(x)))


class TransformerEncoder(nn.Module):
    """A stack of causal layers, post-norm.

    Args:
        n_layers: number of layers.
        n_heads: attention heads; they divide ``hidden_size``.
        hidden_size: size ``d`` of the states.
        inner_size: size between the two linear layers.
        dropout: of what attention and feed-forward add.
        attention_dropout: of attention weights.
    """

    def __init__(
        self, n_layers: int, n_heads: int, hidden_size: int, inner_size: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.layer = nn.ModuleList(
            TransformerLayer(hidden_size, n_heads, inner_size, dropout, attention_dropout) for _ in range(n_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the state after every prefix, ``[B, L, d] -> [B, L, d]``."""
        for layer in self.layer:
            x = layer(x)
        return x
