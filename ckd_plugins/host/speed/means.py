"""The mean over a graph model's layers without a table of all layers.

LightGCN, NCL and SGL stack their layers' embeddings ``[N, layers, d]`` to take the mean of them, and its gradient is
another table of that size. Beside quick products these two take 40 % of a step on a graph of 67,000 nodes.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ckd_plugins.host.speed.stand_in import StandIn

__all__ = ["mean_by_sum", "means_taken", "stock_mean"]


def mean_by_sum(model: Any) -> None:
    """Let a model's ``forward`` add its layers up where it takes the mean of their stack; all else stays RecBole's."""
    if "forward" not in vars(model):
        # A bound method: deepcopy binds it to the copy, and pickle finds it by its name, which is the stock one's.
        model.forward = types.MethodType(forward, model)


def stock_mean(model: Any) -> None:
    """Take :func:`mean_by_sum` back."""
    if getattr(vars(model).get("forward"), "__func__", None) is forward:
        del model.forward


@contextmanager
def means_taken() -> Iterator[list[int]]:
    """Collects the number of layers of each mean that is taken by a sum."""
    found: list[int] = []
    _listeners.append(found)
    try:
        yield found
    finally:
        _listeners.remove(found)


_listeners: list[list[int]] = []


def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
    """A model's own ``forward``, in which a stack of tables is not made before somebody needs it."""
    with _Lazily():
        return type(self).forward(self, *args, **kwargs)


class _Lazily(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.stack and len(args) == 1 and kwargs == {"dim": 1} and _tables(args[0]):
            return _Stack(list(args[0]))
        return func(*args, **kwargs)


def _tables(layers: Any) -> bool:
    return isinstance(layers, list) and all(type(one) is Tensor and one.dim() == 2 for one in layers)


class _Stack(StandIn):
    """What stands for ``torch.stack(layers, dim=1)``: the stack itself for all but a mean over the layers."""

    def __init__(self, layers: list[Tensor]) -> None:
        self._layers = layers

    def whole(self) -> Tensor:
        return torch.stack(self._layers, 1)

    def averaged(self) -> Tensor:
        for listener in _listeners:
            listener.append(len(self._layers))
        total = self._layers[0]
        for layer in self._layers[1:]:
            total = total + layer
        return total / len(self._layers)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        asked = {"keepdim": False, **(kwargs or {})} == {"keepdim": False, "dim": 1}
        if func is torch.mean and len(args) == 1 and isinstance(args[0], cls) and asked:
            return args[0].averaged()
        return super().__torch_function__(func, types, args, kwargs)
