"""The two encoders of Recformer: Longformer's, and one in which every token sees every other.

Up to a few hundred tokens full attention is the faster of the two by a third on a processor, and it needs no padding to
a multiple of the window. Both have the same parameter names; Longformer has three matrices more in a layer, for the
token that sees all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_plugins.errors import EnvironmentProblem, TeacherError
from ckd_plugins.teachers.recformer.shape import NetShape

__all__ = ["FullEncoder", "WindowEncoder"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu, "silu": F.silu}
_FAR = 1e4


class WindowEncoder(nn.Module):
    """Longformer's encoder (Beltagy et al., 2020) as transformers has it; the first token sees all and is seen by all.

    Raises:
        EnvironmentProblem: if transformers is not installed.
    """

    def __init__(self, shape: NetShape, dropout: float) -> None:
        super().__init__()
        try:
            from transformers import LongformerConfig, LongformerModel
        except ImportError as error:
            raise EnvironmentProblem("teacher 'recformer' needs transformers: pip install transformers") from error
        config = LongformerConfig(
            attention_window=[shape.window] * shape.n_layers,
            vocab_size=1,
            max_position_embeddings=2,
            pad_token_id=0,
            hidden_size=shape.hidden_size,
            num_hidden_layers=shape.n_layers,
            num_attention_heads=shape.n_heads,
            intermediate_size=shape.inner_size,
            hidden_act=shape.activation,
            layer_norm_eps=shape.norm_eps,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
        encoder = LongformerModel(config, add_pooling_layer=False).encoder
        self.layer = encoder.layer
        self._run: list[Any] = [encoder]  # in a list, for its layers to be registered once and under their usual name

    def forward(self, embedded: Tensor, real: Tensor) -> Tensor:
        """Return ``[B, T, d]`` for ``[B, T, d]`` and ``bool [B, T]``; ``T`` is a multiple of the window."""
        # Longformer's own code: below 0 is masked, 0 sees its window, above 0 sees all.
        mask = torch.zeros(real.shape, device=embedded.device).masked_fill(~real, -_FAR)
        mask[:, 0] = _FAR
        return cast(Tensor, self._run[0](embedded, attention_mask=mask).last_hidden_state)


class FullEncoder(nn.Module):
    """BERT's encoder.

    Raises:
        TeacherError: for an activation that is not known here.
    """

    def __init__(self, shape: NetShape, dropout: float) -> None:
        super().__init__()
        if shape.activation not in _ACTIVATIONS:
            known = ", ".join(_ACTIVATIONS)
            raise TeacherError(f"the backbone's activation {shape.activation!r} is not known; known are {known}")
        self.layer = nn.ModuleList(_Layer(shape, dropout) for _ in range(shape.n_layers))

    def forward(self, embedded: Tensor, real: Tensor) -> Tensor:
        """Return ``[B, T, d]`` for ``[B, T, d]`` and ``bool [B, T]``."""
        mask = None if bool(real.all()) else real[:, None, None, :]
        for layer in self.layer:
            embedded = layer(embedded, mask)
        return embedded


class _Layer(nn.Module):
    def __init__(self, shape: NetShape, dropout: float) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[shape.activation]
        self.attention = _Attention(shape, dropout)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(shape.hidden_size, shape.inner_size)})
        self.output = _Output(shape.inner_size, shape, dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.attention(x, mask)
        return cast(Tensor, self.output(self.activation(self.intermediate["dense"](x)), x))


class _Attention(nn.Module):
    def __init__(self, shape: NetShape, dropout: float) -> None:
        super().__init__()
        d = shape.hidden_size
        self.n_heads, self.p = shape.n_heads, dropout
        self.self = nn.ModuleDict({name: nn.Linear(d, d) for name in ("query", "key", "value")})
        self.output = _Output(d, shape, dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (p(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for p in self.self.values())
        dropped = self.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropped)
        return cast(Tensor, self.output(mixed.transpose(1, 2).flatten(2), x))


class _Output(nn.Module):
    def __init__(self, size: int, shape: NetShape, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(size, shape.hidden_size)
        self.LayerNorm = nn.LayerNorm(shape.hidden_size, eps=shape.norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return cast(Tensor, self.LayerNorm(self.dropout(self.dense(x)) + residual))
