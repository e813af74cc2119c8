"""States at every position times the item table: models that learn from whole sequences at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from ckd_plugins.errors import StudentError
from ckd_plugins.students.readers.forward import Call, recorded
from ckd_plugins.students.readers.vectors import VectorReader

__all__ = ["EveryPosition"]


class EveryPosition(VectorReader):
    """Multiplies the ``[B, L, d]`` states that the model's ``encode`` gave its loss with the item embeddings.

    Positions count through the batch: ``row * L + position``, as
    :class:`~ckd_plugins.students.zoo.positions.PositionRows` numbers them.

    Args:
        model: a model with ``encode(item_seq) -> [B, L, d]`` and an ``item_embedding``, which ranks by their product.
    """

    name = "every position"

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._calls: list[Call] = []
        self.width = int(model.item_embedding.weight.shape[1])  # such readers are not probed

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Record the calls of ``encode``."""
        with recorded(self.model, "encode") as calls:
            self._calls = calls
            yield

    def vectors(self, interaction: Any, positions: slice | Tensor) -> tuple[Tensor, Tensor]:
        """The positions' states, and the item embeddings."""
        if not self._calls:
            raise StudentError(f"{type(self.model).__name__}: its loss did not call encode")
        states = self._calls[0].output
        return states.flatten(0, 1)[positions], self.model.item_embedding.weight

    def forget(self) -> None:
        """Drop the states."""
        self._calls = []
