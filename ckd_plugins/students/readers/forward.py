"""What a model's ``forward`` returned while its loss ran.

RecBole's models call ``self.forward(...)`` themselves, so that torch's forward hooks never fire; the method is
replaced on the instance instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor

from ckd_plugins.host.state import override
from ckd_plugins.students.readers.base import Reader

__all__ = ["Call", "ForwardReader", "recorded"]


class Call(NamedTuple):
    """One call of ``forward``."""

    arguments: tuple[Any, ...]
    output: Any

    def is_of(self, arguments: tuple[Any, ...]) -> bool:
        """Whether the very same objects were passed."""
        return len(arguments) == len(self.arguments) and all(
            a is b for a, b in zip(arguments, self.arguments, strict=True)
        )

    def is_like(self, arguments: tuple[Any, ...]) -> bool:
        """Whether tensors of the same shapes, and numbers in the same places, were passed."""
        return len(arguments) == len(self.arguments) and all(
            a is b or _alike(a, b) for a, b in zip(arguments, self.arguments, strict=True)
        )


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape
    return isinstance(a, int | float) and isinstance(b, int | float)


@contextmanager
def recorded(model: Any, method: str = "forward") -> Iterator[list[Call]]:
    """Record the calls of a method of the model's and let them pass."""
    calls: list[Call] = []
    forward = getattr(model, method)

    def recorder(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        calls.append(Call((*args, *kwargs.values()), output))
        return output

    with override(model, method, recorder):
        yield calls


class ForwardReader(Reader):
    """Base of the readers that keep what ``forward`` returned."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._calls: list[Call] = []

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Record the calls of ``forward``."""
        with recorded(self.model) as calls:
            self._calls = calls
            yield

    def forget(self) -> None:
        """Drop the outputs."""
        self._calls = []
