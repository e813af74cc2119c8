"""Recformer's network: four summed embeddings, an encoder, a head for masked words."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_plugins.teachers.recformer.encoders import FullEncoder, WindowEncoder
from ckd_plugins.teachers.recformer.shape import NetShape
from ckd_plugins.teachers.recformer.tokens import TokenBatch

__all__ = ["Net", "widened"]

_INIT_STD = 0.02


def widened(x: Tensor) -> Tensor:
    """Return what autocast computed in bfloat16 as float32: losses and stored vectors need its digits."""
    return x.float() if x.dtype == torch.bfloat16 else x


class Embeddings(nn.Module):
    r"""Token, position, kind of token and item position, summed: :math:`E_w = LN(A_w + B_w + C_w + D_w)`."""

    def __init__(self, shape: NetShape, dropout: float) -> None:
        super().__init__()
        d = shape.hidden_size
        self.word_embeddings = nn.Embedding(shape.vocabulary, d, padding_idx=shape.pad)
        self.position_embeddings = nn.Embedding(shape.positions, d)
        self.token_type_embeddings = nn.Embedding(4, d)
        self.item_position_embeddings = nn.Embedding(shape.item_positions, d)
        self.LayerNorm = nn.LayerNorm(d, eps=shape.norm_eps)
        self.dropout = nn.Dropout(dropout)
        self.first = shape.pad + 1

    def forward(self, batch: TokenBatch) -> Tensor:
        """Return ``[B, T, d]``."""
        position = self.first + torch.arange(batch.ids.shape[1], device=batch.ids.device)
        summed = self.word_embeddings(batch.ids) + self.position_embeddings(position)
        summed = summed + self.token_type_embeddings(batch.kinds) + self.item_position_embeddings(batch.positions)
        return cast(Tensor, self.dropout(self.LayerNorm(summed)))


class Head(nn.Module):
    """The head of RoBERTa's language model; its last layer is the table of word embeddings."""

    def __init__(self, shape: NetShape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.hidden_size, shape.hidden_size)
        self.layer_norm = nn.LayerNorm(shape.hidden_size, eps=shape.norm_eps)
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))

    def forward(self, states: Tensor, words: Tensor, table: Tensor) -> Tensor:
        """Return logits ``[P, V]`` over the token ids ``words [V]``, for states ``[P, d]``."""
        return F.linear(self.layer_norm(F.gelu(self.dense(states))), table[words], self.bias[words])


class Net(nn.Module):
    """Recformer, with the parameter names of the published checkpoint (without its prefix ``longformer.``)."""

    def __init__(self, shape: NetShape, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = Embeddings(shape, dropout)
        self.lm_head = Head(shape)
        kind = FullEncoder if shape.window is None else WindowEncoder
        self.encoder = kind(shape, dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=_INIT_STD)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        self.projection = nn.Linear(shape.hidden_size, shape.hidden_size) if shape.projection else None
        if self.projection is not None:  # at first it changes nothing
            nn.init.eye_(self.projection.weight)
            nn.init.zeros_(self.projection.bias)
        # As published: words are where pre-trained knowledge lies, and most of the values.
        self.embeddings.word_embeddings.weight.requires_grad_(False)

    def states(self, batch: TokenBatch) -> Tensor:
        """Return the state of every token, ``[B, T, d]``."""
        return cast(Tensor, self.encoder(self.embeddings(batch), batch.real))

    def pool(self, states: Tensor, batch: TokenBatch, *, history: bool) -> Tensor:
        """Return one vector a sequence, ``[B, d]``; ``history``: of a history, not of an item."""
        if self.shape.pooling == "first":
            pooled = states[:, 0]
        else:
            read = batch.positions == 1 if self.shape.pooling == "newest" else batch.real
            weight = read.unsqueeze(-1).to(states.dtype)
            pooled = (states * weight).sum(dim=1) / weight.sum(dim=1)
        return cast(Tensor, self.projection(pooled)) if history and self.projection is not None else pooled

    def vectors(self, batch: TokenBatch, *, history: bool) -> Tensor:
        """Return :meth:`pool` of :meth:`states`."""
        return self.pool(self.states(batch), batch, history=history)

    def masked_words(self, states: Tensor, batch: TokenBatch, chosen: Tensor, words: Tensor) -> Tensor:
        """Return the mean cross entropy of the chosen tokens of ``batch`` over the ids ``words``.

        Args:
            states: ``[B, T, d]`` of the masked batch.
            batch: the batch before it was masked.
            chosen: ``bool [B, T]``.
            words: ``[V]`` ascending token ids, the chosen ones' among them.
        """
        if not chosen.any():
            return states.sum() * 0.0
        logits = self.lm_head(states[chosen], words, self.embeddings.word_embeddings.weight)
        return F.cross_entropy(widened(logits), torch.searchsorted(words, batch.ids[chosen]))
