"""RecBole's transformer layers: one call for the activation, and a last layer that computes what is read of it.

``TransformerEncoder`` returns a vector for each position of a history, and the models that predict the next item read
that of the last one. In the last layer, then, one query a row suffices, and the feed-forward part sees one position
instead of all. Earlier layers, keys and values stay as they are. In evaluation mode the output is the same; in training
dropout draws for fewer elements.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ckd_plugins.host.compat import prepare

prepare()
from recbole.model.layers import FeedForward, TransformerEncoder  # noqa: E402

__all__ = ["fuse_activations", "last_position_only"]


def fuse_activations(model: torch.nn.Module) -> Callable[[], None] | None:
    """Compute GELU in one operation instead of RecBole's five, each with a tensor that is kept for the gradient.

    Returns:
        A function that undoes it; ``None`` where there is none.
    """
    layers: list[Any] = [module for module in model.modules() if type(module) is FeedForward]
    found = [
        (layer, layer.intermediate_act_fn)
        for layer in layers
        if getattr(layer.intermediate_act_fn, "__func__", None) is FeedForward.gelu  # type: ignore[attr-defined]
    ]
    for module, _ in found:
        module.intermediate_act_fn = F.gelu

    def undo() -> None:
        for module, stock in found:
            module.intermediate_act_fn = stock

    return undo if found else None


class _At:
    """The position that is read of each row, while the model's ``forward`` runs: ``[B]`` or nothing."""

    positions: Tensor | None = None


class _Layer:
    """Stands before the last ``TransformerLayer`` of an encoder."""

    def __init__(self, layer: Any, at: _At) -> None:
        self._layer, self._at = layer, at

    def __call__(self, hidden: Tensor, mask: Tensor) -> Tensor:
        at = self._at.positions
        if at is None or len(at) != len(hidden):
            stock: Tensor = type(self._layer).forward(self._layer, hidden, mask)
            return stock
        rows, width, size = hidden.shape
        column = at.view(-1, 1, 1)
        query = hidden.gather(1, column.expand(-1, 1, size))
        if mask.shape[2] != 1:  # a row of the causal mask for each query
            mask = mask.expand(rows, -1, -1, -1).gather(2, column[..., None].expand(-1, mask.shape[1], 1, width))
        attended = _attend(self._layer.multi_head_attention, query, hidden, mask)
        # Every position shows the one that is read: whoever takes it from there gets it.
        shown: Tensor = self._layer.feed_forward(attended).expand(-1, width, -1)
        return shown


def _attend(attention: Any, query: Tensor, hidden: Tensor, mask: Tensor) -> Tensor:
    """RecBole's ``MultiHeadAttention`` with queries ``[B, 1, H]`` that are not all of ``hidden [B, L, H]``."""

    def heads(x: Tensor) -> Tensor:
        return x.view(len(x), x.shape[1], attention.num_attention_heads, -1).transpose(1, 2)

    q, k, v = heads(attention.query(query)), heads(attention.key(hidden)), heads(attention.value(hidden))
    weights = torch.softmax(q @ k.transpose(-1, -2) / attention.sqrt_attention_head_size + mask, dim=-1)
    context = (attention.attn_dropout(weights) @ v).transpose(1, 2).reshape(query.shape)
    result: Tensor = attention.LayerNorm(attention.out_dropout(attention.dense(context)) + query)
    return result


class _Forward:
    """Stands before the model's ``forward`` and tells the layers which positions will be read."""

    def __init__(self, model: Any, length: int, at: _At) -> None:
        self._model, self._length, self._at = model, length, at

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        lengths = kwargs.get("item_seq_len", args[self._length] if len(args) > self._length else None)
        self._at.positions = None if lengths is None else lengths - 1
        try:
            return type(self._model).forward(self._model, *args, **kwargs)
        finally:
            self._at.positions = None


def last_position_only(model: Any) -> Callable[[], None] | None:
    """Compute an encoder's last layer for the last position of each history only.

    For models whose ``forward`` takes ``item_seq_len`` and reads that position; whether it reads others as well, the
    caller must check (:func:`ckd_plugins.host.speed.check.unchanged`).

    Returns:
        A function that undoes it; ``None`` where the model is not of that kind.
    """
    encoders = [module for module in model.modules() if type(module) is TransformerEncoder and len(module.layer)]
    names = list(inspect.signature(type(model).forward).parameters)
    if not encoders or "item_seq_len" not in names or "forward" in vars(model):
        return None
    at = _At()
    layers = [encoder.layer[-1] for encoder in encoders]
    for layer in layers:
        vars(layer)["forward"] = _Layer(layer, at)
    vars(model)["forward"] = _Forward(model, names.index("item_seq_len") - 1, at)

    def undo() -> None:
        for owner in (model, *layers):
            del vars(owner)["forward"]

    return undo
