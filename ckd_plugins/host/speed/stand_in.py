"""What stands for a tensor that is not made before somebody needs all of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

__all__ = ["StandIn"]


class StandIn(ABC):
    """Becomes the tensor itself in whatever a subclass has no shorter way for."""

    @abstractmethod
    def whole(self) -> Tensor:
        """Make the tensor."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*map(_made, args), **{name: _made(value) for name, value in (kwargs or {}).items()})

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole(), name)

    def __getitem__(self, index: Any) -> Any:
        return self.whole()[index]


def _made(value: Any) -> Any:
    """An argument with tensors in the place of what stands for them, in lists too (``torch.cat``)."""
    if isinstance(value, StandIn):
        return value.whole()
    return type(value)(map(_made, value)) if type(value) in (list, tuple) else value
