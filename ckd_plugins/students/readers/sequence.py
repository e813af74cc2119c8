"""Sequence output times item table: sequential models with a pair-wise loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ckd_plugins.errors import StudentError
from ckd_plugins.students.readers.base import Catalogue
from ckd_plugins.students.readers.forward import ForwardReader
from ckd_plugins.students.readers.vectors import VectorReader

__all__ = ["SequenceOutput", "item_tables"]


class SequenceOutput(VectorReader, ForwardReader):
    """Multiplies the ``[B, d]`` output of ``forward`` with an item embedding table (SASRec, GRU4Rec, ... with BPR).

    Args:
        model: the model instance.
        table: name of the ``nn.Embedding`` with a row for each item.
    """

    name = "sequence output"

    def __init__(self, model: Any, table: str) -> None:
        super().__init__(model)
        self.table = table

    @classmethod
    def offered(cls, model: nn.Module, catalogue: Catalogue) -> Iterator[SequenceOutput]:
        """Yield a reader for each table that could be the item table."""
        for name, _ in item_tables(model, catalogue.n_items):
            yield cls(model, name)

    def vectors(self, interaction: Any, positions: slice | Tensor) -> tuple[Tensor, Tensor]:
        """The rows' outputs, and the item table."""
        weight = self.model.get_submodule(self.table).weight
        for call in self._calls:
            vectors = call.output
            if isinstance(vectors, Tensor) and vectors.shape == (len(interaction), weight.shape[1]):
                return vectors[positions], weight
        raise StudentError(f"{type(self.model).__name__}: forward returned no vector of {self.table}'s width a row")


def item_tables(model: nn.Module, n_items: int) -> list[tuple[str, nn.Embedding]]:
    """Embeddings with at least a row for each item, the likeliest first."""
    tables = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and module.num_embeddings >= n_items
    ]
    return sorted(tables, key=lambda t: (t[0] != "item_embedding", "item" not in t[0], t[1].num_embeddings - n_items))
