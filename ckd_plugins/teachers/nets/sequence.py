"""What the networks of sequential teachers have in common: item vectors in, a state after every prefix out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from ckd_plugins.teachers.nets.dropout import Dropout
from ckd_plugins.teachers.nets.recurrent import GRUEncoder
from ckd_plugins.teachers.nets.transformer import TransformerEncoder

__all__ = ["SequenceModel", "Shape"]

_INIT_STD = 0.02


@dataclass(frozen=True)
class Shape:
    """Sizes of a sequence encoder."""

    encoder: Literal["transformer", "gru"]
    hidden_size: int
    n_layers: int
    n_heads: int
    inner_size: int
    max_length: int
    dropout: float
    attention_dropout: float
    projection: bool
    """A linear layer after a transformer."""


class SequenceModel(nn.Module, ABC):
    """Position embedding, layer norm, dropout, causal encoder; subclasses say what an item's vector is.

    Parameters are named as in RecBole's SASRec (``position_embedding``, ``LayerNorm``, ``trm_encoder``); a recurrent
    encoder is ``gru_encoder`` and has no positions.

    A transformer's state holds its newest item through the residual connections, and states are scored against those
    same item vectors: the item just chosen comes out on top, though hardly anyone chooses it again. A projection of the
    state takes that off: UniSRec's NDCG@10 on Amazon Office rises by a fifth. A recurrent encoder ends in such a layer
    anyway.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.LayerNorm = nn.LayerNorm(shape.hidden_size, eps=1e-12)
        self.dropout = Dropout(shape.dropout)
        if shape.encoder == "transformer":
            self.position_embedding: nn.Embedding | None = nn.Embedding(shape.max_length, shape.hidden_size)
            self.trm_encoder = TransformerEncoder(
                shape.n_layers,
                shape.n_heads,
                shape.hidden_size,
                shape.inner_size,
                shape.dropout,
                shape.attention_dropout,
            )
            self.projection = nn.Linear(shape.hidden_size, shape.hidden_size) if shape.projection else nn.Identity()
        else:
            self.projection = nn.Identity()
            self.position_embedding = None
            self.gru_encoder = GRUEncoder(shape.n_layers, shape.hidden_size, shape.inner_size, shape.dropout)

    def initialise(self) -> None:
        """Draw linear and embedding weights from N(0, 0.02) and set biases to 0, as SASRec does."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=_INIT_STD)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    @property
    @abstractmethod
    def inputs(self) -> Tensor:
        """What the catalogue's items are made from, ``[n + 1, ...]``; row 0 is padding."""

    @abstractmethod
    def item_vectors(self, inputs: Tensor, *, identified: bool = False) -> Tensor:
        """Return item vectors ``[m, d]`` made from ``inputs``.

        Args:
            inputs: rows of :attr:`inputs`, or of another catalogue in pre-training.
            identified: the rows are the whole catalogue, so that what belongs to single items can be added.
        """

    def catalogue(self) -> Tensor:
        """Return the vectors of the whole catalogue, ``[n + 1, d]``."""
        return self.item_vectors(self.inputs, identified=True)

    def states(self, embedded: Tensor) -> Tensor:
        """Return the state after every prefix of right-padded sequences, ``[B, L, d] -> [B, L, d]``."""
        if self.position_embedding is not None:
            embedded = embedded + self.position_embedding.weight[: embedded.shape[1]]
        encoder = self.trm_encoder if self.position_embedding is not None else self.gru_encoder
        return cast(Tensor, self.projection(encoder(self.dropout(self.LayerNorm(embedded)))))

    def encoder_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that fine-tuning of a pre-trained model keeps: positions and encoder."""
        kept = ("position_embedding.", "trm_encoder.", "gru_encoder.")
        return [p for name, p in self.named_parameters() if name.startswith(kept)]

    def transferable(self) -> dict[str, Tensor]:
        """Return copies of the weights that do not belong to the items of one catalogue."""
        return {k: v.detach().clone() for k, v in self.state_dict().items() if not k.startswith(self.per_item)}

    per_item: tuple[str, ...] = ()
    """Prefixes of the state-dict names that belong to the items of one catalogue."""


def frozen_embedding(vectors: Tensor) -> nn.Embedding:
    """Return an embedding that is never trained, with ``vectors`` as its rows."""
    embedding = nn.Embedding(len(vectors), vectors.shape[1], padding_idx=0, _weight=vectors.to(torch.float32))
    embedding.weight.requires_grad_(False)
    return embedding
