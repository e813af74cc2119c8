"""Feature-interaction models that rank: what a row or an item gives alone is made once of each, not of every pair.

RecBole's ``ContextRecommender`` embeds the fields of a user and of an item side by side, ``[pairs, fields, d]``. Sums
over the fields (FM), the first-order part and a first linear layer are each a part that knows the row and one that
knows the item; only what follows mixes the two. For DeepFM what follows is less than half of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ckd_plugins.host.compat import prepare
from ckd_plugins.host.speed.stand_in import StandIn
from ckd_plugins.host.state import override

prepare()
from recbole.model.abstract_recommender import ContextRecommender  # noqa: E402
from recbole.model.layers import FMFirstOrderLinear  # noqa: E402

__all__ = ["Sides"]

_FIELDS = ("token_seq_field_names", "token_field_names", "float_seq_field_names", "float_field_names")
"""In the order in which ``concat_embed_input_fields`` has them."""
Sided = tuple[Tensor, Tensor]
"""Something of each row, and of each item."""


class Sides:
    """What a model makes of some rows and of some items, for all pairs of them.

    Args:
        model: a RecBole model in evaluation mode, with the weights that it will have.
        rows: ``Interaction`` of rows.
        items: ``Interaction`` of items; its columns replace those of ``rows``.
        at_once: most rows or items that are embedded at a time: lists of words take memory.

    Attributes:
        found: whether the model embeds fields as RecBole does; it has no sides otherwise.
        used: whether it asked for its embedded fields in a block of :meth:`of`; some have another way beside it.
    """

    def __init__(self, model: Any, rows: Any, items: Any, at_once: int) -> None:
        self._model, self.used = model, False
        self.found = _embeds_as_recbole(model)
        if not self.found:
            return
        names = [name for fields in _FIELDS for name in getattr(model, fields)]
        of_item = torch.tensor([name in items for name in names])
        own = {name: column for name, column in rows.interaction.items() if name not in items}
        # Beside the first item and the first row: what these add is the same everywhere, or is not looked at.
        by_row, by_item = (_beside(rows, *sides) for sides in ((own, items.interaction), (items.interaction, own)))
        embedded = [_in_parts(model.concat_embed_input_fields, side, at_once) for side in (by_row, by_item)]
        self.found = embedded[0].shape[1:-1] == (len(names),)  # numbers that are not embedded have no vector
        if self.found:
            self._fields = _Fields((embedded[0][:, ~of_item], embedded[1][:, of_item]), of_item)
            self._linear = [m for m in model.children() if type(m) is FMFirstOrderLinear]
            ones = [[_in_parts(linear, side, at_once) for side in (by_row, by_item)] for linear in self._linear]
            self._linear_sides = [(row, item - item[:1]) for row, item in ones]

    @contextmanager
    def of(self, row: Tensor, item: Tensor) -> Iterator[None]:
        """While the block runs, the model's batch is of these pairs.

        Args:
            row: ``LongTensor [N]``, places among the rows.
            item: ``LongTensor [N]``, places among the items.
        """
        with ExitStack() as stack:
            stack.enter_context(override(self._model, "concat_embed_input_fields", lambda _: self._pairs(row, item)))
            for linear, sides in zip(self._linear, self._linear_sides, strict=True):
                stack.enter_context(override(linear, "forward", lambda _, sides=sides: _added(sides, row, item)))
            yield

    def _pairs(self, row: Tensor, item: Tensor) -> _Pairs:
        self.used = True
        return _Pairs(self._fields, row, item)


def _embeds_as_recbole(model: Any) -> bool:
    stock = ContextRecommender.concat_embed_input_fields
    return getattr(type(model), "concat_embed_input_fields", None) is stock and not model.training


def _beside(rows: Any, whole: dict[str, Tensor], first: dict[str, Tensor]) -> Any:
    """One side's columns, with the other side's first row repeated beside them."""
    length = len(next(iter(whole.values())))
    return type(rows)(
        {**whole, **{name: column[:1].expand(length, *column.shape[1:]) for name, column in first.items()}}
    )


def _in_parts(embed: Callable[[Any], Tensor], batch: Any, at_once: int) -> Tensor:
    return torch.cat([embed(batch[start : start + at_once]) for start in range(0, len(batch), at_once)])


def _added(sides: Sided, row: Tensor, item: Tensor) -> Tensor:
    return sides[0].index_select(0, row) + sides[1].index_select(0, item)


class _Fields:
    """Embedded fields by their side, ``[R, fields, d]`` and ``[I, fields, d]``, and what was made of them."""

    def __init__(self, sides: Sided, of_item: Tensor) -> None:
        self.sides, self.of_item = sides, of_item
        self.size = of_item.numel(), sides[0].shape[-1]
        self._made: dict[Hashable, Any] = {}

    def once(self, name: Hashable, make: Callable[[], Any]) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def squared(self) -> _Fields:
        found: _Fields = self.once("squared", lambda: _Fields((self.sides[0] ** 2, self.sides[1] ** 2), self.of_item))
        return found

    def summed(self) -> Sided:
        found: Sided = self.once("summed", lambda: (self.sides[0].sum(1), self.sides[1].sum(1)))
        return found

    def linear(self, weight: Tensor, bias: Tensor | None) -> Sided:
        def make() -> Sided:
            columns = weight.view(len(weight), *self.size)
            row, item = (columns[:, mask].flatten(1) for mask in (~self.of_item, self.of_item))
            return F.linear(self.sides[0].flatten(1), row, bias), F.linear(self.sides[1].flatten(1), item)

        found: Sided = self.once((weight.data_ptr(), weight.shape), make)
        return found


class _Pairs(StandIn):
    """What stands for ``[N, fields, d]`` or ``[N, fields * d]``, until somebody needs more of it than its sides."""

    def __init__(self, fields: _Fields, row: Tensor, item: Tensor, flat: bool = False) -> None:
        self._fields, self._row, self._item, self._flat = fields, row, item, flat
        count, width = fields.size
        self.shape = torch.Size((len(row), count * width) if flat else (len(row), count, width))

    def whole(self) -> Tensor:
        first, second = self._fields.sides
        found = first.new_empty(len(self._row), *self._fields.size)
        found[:, ~self._fields.of_item] = first.index_select(0, self._row)
        found[:, self._fields.of_item] = second.index_select(0, self._item)
        return found.view(self.shape)

    def view(self, *shape: Any) -> Any:
        if shape in ((len(self._row), -1), (len(self._row), self._fields.size[0] * self._fields.size[1])):
            return _Pairs(self._fields, self._row, self._item, flat=True)
        return self.whole().view(*shape)

    reshape = view

    def __pow__(self, exponent: Any) -> Any:
        if exponent == 2:
            return _Pairs(self._fields.squared(), self._row, self._item, self._flat)
        return self.whole() ** exponent

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        first = args[0] if args else None
        if isinstance(first, cls):
            if func is F.dropout and not named.get("training", True):
                return first
            if func is torch.sum and not first._flat and len(args) == 1 and named == {"dim": 1}:
                return _added(first._fields.summed(), first._row, first._item)
            if func is F.linear and first._flat and len(args) == 3:
                return _added(first._fields.linear(args[1], args[2]), first._row, first._item)
        return super().__torch_function__(func, types, args, kwargs)
