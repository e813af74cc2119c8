"""States at every position times the item table: models that learn from whole sequences at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from ckd_plugins.errors import StudentError
from ckd_plugins.students.readers.base import Reader, dot
from ckd_plugins.students.readers.forward import Call, recorded

__all__ = ["EveryPosition"]


class EveryPosition(Reader):
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

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Record the calls of ``encode``."""
        with recorded(self.model, "encode") as calls:
            self._calls = calls
            yield

    def scores(self, interaction: Any, positions: slice | Tensor, candidates: Tensor) -> Tensor:
        """Inner products of the positions' states and the candidates' embeddings."""
        if not self._calls:
            raise StudentError(f"{type(self.model).__name__}: its loss did not call encode")
        states = self._calls[0].output
        return dot(states.flatten(0, 1)[positions], self.model.item_embedding.weight, candidates)

    def forget(self) -> None:
        """Drop the states."""
        self._calls = []
