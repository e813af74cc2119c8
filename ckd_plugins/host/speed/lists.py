"""Items' features that are lists, a title's words or categories, embedded once an item instead of once a pair.

RecBole's feature-interaction models gather a vector for each token of a list, padding included, and take their mean.
Where a row is a pair of user and item, that is ``[pairs, length, d]`` numbers for as many different lists as there are
items: more than all that the model makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ckd_plugins.host.compat import prepare
from ckd_plugins.host.state import override

prepare()
from recbole.model.abstract_recommender import ContextRecommender  # noqa: E402
from recbole.model.layers import FMFirstOrderLinear  # noqa: E402

__all__ = ["ItemLists"]

_METHODS = {"embed_token_seq_fields": "token_seq_field_names", "embed_float_seq_fields": "float_seq_field_names"}


class ItemLists:
    """The embedded lists of a few items, made when the first row asks for them.

    They carry gradients where there are any, and are those of the weights at that moment: make a new one after a step.

    Args:
        model: a RecBole model; where none of its modules embeds lists as RecBole does, nothing changes.
        items: ``Interaction`` of ``I`` items with their features.
        at_once: most items that are embedded at a time; by default all.
    """

    def __init__(self, model: Any, items: Any, at_once: int | None = None) -> None:
        self._methods: list[_Method] = []
        for module in model.modules() if isinstance(model, nn.Module) else ():
            for name, fields in _METHODS.items():
                names = getattr(module, fields, ())
                if names and _is_stock(module, name) and all(field in items for field in names):
                    columns = [items[field].split(at_once or len(items)) for field in names]
                    self._methods.append(_Method(module, name, list(zip(*columns, strict=True)), names))

    @contextmanager
    def of(self, batch: Any, index: Tensor) -> Iterator[None]:
        """While the block runs, the lists of ``batch`` are not embedded but looked up.

        Args:
            batch: ``Interaction`` of ``N`` rows, whose lists are the items'.
            index: ``LongTensor [N]``, each row's item, by its place among the items.
        """
        with ExitStack() as stack:
            for method in self._methods:
                stack.enter_context(override(method.module, method.name, method.looked_up(batch, index)))
            yield


class _Method:
    """A module's method that embeds lists, and what it makes of the items'."""

    def __init__(self, module: Any, name: str, parts: list[tuple[Tensor, ...]], fields: list[str]) -> None:
        self.module, self.name = module, name
        self._stock = getattr(module, name)
        self._parts, self._fields = parts, fields
        self._table: Tensor | None = None

    def looked_up(self, batch: Any, index: Tensor) -> Callable[..., Tensor]:
        own = [batch[field] for field in self._fields]

        def embed(fields: list[Tensor], *arguments: Any, **options: Any) -> Tensor:
            # Only of the very columns of the batch is it known whose lists they are.
            if arguments or options or [id(field) for field in fields] != [id(column) for column in own]:
                stock: Tensor = self._stock(fields, *arguments, **options)
                return stock
            if self._table is None:
                self._table = torch.cat([self._stock(columns) for columns in self._parts])
            return self._table.index_select(0, index)

        return embed


def _is_stock(module: nn.Module, name: str) -> bool:
    """Whether the module's method is RecBole's own, not a subclass's or replaced."""
    stock = (getattr(ContextRecommender, name), getattr(FMFirstOrderLinear, name))
    return getattr(type(module), name, None) in stock and name not in vars(module)
