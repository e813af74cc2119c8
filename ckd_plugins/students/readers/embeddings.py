"""User vector times item vector: graph models and matrix factorisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ckd_plugins.errors import StudentError
from ckd_plugins.students.readers.base import Catalogue
from ckd_plugins.students.readers.forward import ForwardReader
from ckd_plugins.students.readers.sequence import item_tables
from ckd_plugins.students.readers.vectors import VectorReader

__all__ = ["FactorTables", "PropagatedTables"]


class PropagatedTables(VectorReader, ForwardReader):
    """Takes the tables of all users and all items that ``forward`` propagates for the loss (LightGCN, NGCF, KGAT ...).

    Nothing is read from or written to the model's caches (``restore_user_e`` and kin), which would be stale.
    """

    name = "propagated embeddings"

    def __init__(self, model: Any, catalogue: Catalogue) -> None:
        super().__init__(model)
        self._n_items = catalogue.n_items

    @classmethod
    def offered(cls, model: Any, catalogue: Catalogue) -> Iterator[PropagatedTables]:
        """Yield a reader when the model knows its users."""
        if hasattr(model, "n_users") and hasattr(model, "USER_ID"):
            yield cls(model, catalogue)

    def vectors(self, interaction: Any, positions: slice | Tensor) -> tuple[Tensor, Tensor]:
        """The rows' users', and those of all items."""
        for call in self._calls:
            if isinstance(call.output, tuple) and len(call.output) >= 2:
                users, items = call.output[:2]
                if self._are_tables(users, items):
                    return users[interaction[self.model.USER_ID][positions]], items
        raise StudentError(f"{type(self.model).__name__}: forward returned no tables of all users and items")

    def _are_tables(self, users: Any, items: Any) -> bool:
        return (
            isinstance(users, Tensor)
            and isinstance(items, Tensor)
            and users.dim() == items.dim() == 2
            and users.shape[1] == items.shape[1]
            and len(users) == self.model.n_users
            and len(items) >= self._n_items
        )


class FactorTables(VectorReader):
    """Takes user and item embedding tables as they are (BPR, LINE): there is no forward pass beyond a look-up.

    Args:
        model: the model instance.
        users: name of the ``nn.Embedding`` of the users.
        items: name of the ``nn.Embedding`` of the items.
    """

    name = "embedding tables"

    def __init__(self, model: Any, users: str, items: str) -> None:
        super().__init__(model)
        self.users, self.items = users, items

    @classmethod
    def offered(cls, model: Any, catalogue: Catalogue) -> Iterator[FactorTables]:
        """Yield a reader for each pair of tables that could be the factors."""
        if not (hasattr(model, "n_users") and hasattr(model, "USER_ID")):
            return
        for user_name, user_table in model.named_modules():
            if isinstance(user_table, nn.Embedding) and user_table.num_embeddings == model.n_users:
                for item_name, item_table in item_tables(model, catalogue.n_items):
                    if item_table is not user_table and item_table.embedding_dim == user_table.embedding_dim:
                        yield cls(model, user_name, item_name)

    def vectors(self, interaction: Any, positions: slice | Tensor) -> tuple[Tensor, Tensor]:
        """The rows' users', and those of all items."""
        users = self.model.get_submodule(self.users)(interaction[self.model.USER_ID][positions])
        return users, self.model.get_submodule(self.items).weight
