"""The histories of training rows as slices of the users' sequences, put together when a batch is made.

RecBole writes every prefix of a sequence out: 50 numbers a row for each column, most of which are their neighbours'
and many of which (``timestamp_list``) no model reads. Here a row keeps where its history starts and how long it is.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ckd_plugins.host.arrays import row_numbers
from ckd_plugins.host.compat import prepare

prepare()
from recbole.data.dataset import SequentialDataset  # noqa: E402
from recbole.data.interaction import Interaction  # noqa: E402
from recbole.utils import FeatureType  # noqa: E402

__all__ = ["Columns", "Histories", "data_augmentation", "take_rows"]

_stock = SequentialDataset.data_augmentation
_KEPT_AT = 3
"""Who asks for a whole column as often (FEARec does so for each row of a batch) gets it kept."""
_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class _Flat:
    """A column of histories: the sequences of all users in one, ``[N + width, ...]``, closed by ``width`` zeros."""

    def __init__(self, values: Tensor, width: int) -> None:
        self.values = torch.cat([values, values.new_zeros((width, *values.shape[1:]))])
        self.asked = 0


class Columns(MutableMapping[str, Tensor]):
    """The columns of an ``Interaction`` of ``R`` rows, some of them histories; each is a tensor to whoever asks.

    No dict: Python copies a subclass of it past its methods.

    Args:
        values: by name, in RecBole's order: ``[R, ...]``, or the sequences that histories are slices of.
        start: ``[R]`` where a row's history begins in them.
        length: ``[R]`` how long it is.
        width: ``MAX_ITEM_LIST_LENGTH``; what a history is shorter is filled up with zeros.
    """

    def __init__(self, values: dict[str, Tensor | _Flat], start: Tensor, length: Tensor, width: int) -> None:
        self._values = values
        self._start, self._length, self._width = start, length, width

    def __getitem__(self, name: str) -> Tensor:
        value = self._values[name]
        if isinstance(value, Tensor):
            return value
        value.asked += 1
        whole = self._put_together(value, self._start, self._length)
        if value.asked >= _KEPT_AT:
            self._values[name] = whole
        return whole

    def __setitem__(self, name: str, value: Tensor) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self._start)

    def is_sliced(self, name: str) -> bool:
        """Whether a column is kept as slices."""
        return isinstance(self._values.get(name), _Flat)

    def take(self, rows: Tensor) -> Columns:
        """Some rows, in the order of ``rows``; their histories stay slices."""
        taken = {n: v.index_select(0, rows) if isinstance(v, Tensor) else v for n, v in self._values.items()}
        return Columns(taken, self._start.index_select(0, rows), self._length.index_select(0, rows), self._width)

    def gather(self, rows: Tensor) -> dict[str, Tensor]:
        """Some rows as tensors, histories included: what a batch is made of."""
        start, length = self._start.index_select(0, rows), self._length.index_select(0, rows)
        return {
            name: value.index_select(0, rows) if isinstance(value, Tensor) else self._put_together(value, start, length)
            for name, value in self._values.items()
        }

    def history(self, name: str, rows: Tensor) -> Tensor:
        """``[B, width, ...]`` one column of histories of some rows."""
        value = self._values[name]
        if isinstance(value, Tensor):
            return value.index_select(0, rows)
        return self._put_together(value, self._start.index_select(0, rows), self._length.index_select(0, rows))

    def _put_together(self, flat: _Flat, start: Tensor, length: Tensor) -> Tensor:
        values, width = flat.values, self._width
        step = values[0].numel()  # a position's numbers lie side by side: windows overlap in memory and cost nothing
        windows = values.view(-1).as_strided((len(values) - width + 1, width * step), (step, 1))
        taken = windows.index_select(0, start).view(len(start), width, *values.shape[1:])
        # By bits: a tenth of the time of filling by a mask.
        integer = _INTEGERS[values.element_size()]
        kept = _ramp(width, integer).unfold(0, width, 1).index_select(0, width - length)
        taken.view(integer).bitwise_and_(kept.view(len(start), width, *[1] * (values.dim() - 1)))
        return taken


@lru_cache
def _ramp(width: int, integer: torch.dtype) -> Tensor:
    """``[2 width]`` all bits set, then none; a window of it is the mask of a length."""
    return torch.cat([torch.full((width,), -1, dtype=integer), torch.zeros(width, dtype=integer)])


class Histories(Interaction):  # type: ignore[misc]
    """RecBole's ``Interaction`` of augmented rows. What is taken out of it is a plain one."""

    def __init__(self, columns: Columns) -> None:
        self.interaction = columns
        self.length = columns.rows

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str) or not isinstance(self.interaction, Columns):
            return super().__getitem__(index)
        rows = self._numbers(index)
        taken = self.interaction.gather(rows.view(-1))
        return Interaction(taken if rows.dim() else {name: value[0] for name, value in taken.items()})

    def _reindex(self, index: Any) -> None:
        if isinstance(self.interaction, Columns):
            self.interaction = self.interaction.take(self._numbers(index))
        else:  # renamed columns (add_prefix) are plain ones
            super()._reindex(index)

    def take(self, index: Any) -> Histories:
        """Some rows, as ``[index]`` has them, whose histories stay slices."""
        return Histories(self.interaction.take(self._numbers(index)))

    def _numbers(self, index: Any) -> Tensor:
        numbers = row_numbers(index, self.length)
        if numbers is not None:
            return numbers
        return torch.arange(self.length)[index.tolist() if isinstance(index, np.ndarray) else index]


def take_rows(features: Any, index: NDArray[np.int64]) -> Any:
    """``features[index]``, but no slower and no larger than it must be."""
    if isinstance(features, Histories) and isinstance(features.interaction, Columns):
        return features.take(index)
    if type(features) is Interaction:
        rows = torch.from_numpy(index)
        return Interaction({name: value.index_select(0, rows) for name, value in features.interaction.items()})
    return features[index]


def data_augmentation(self: Any) -> None:
    """``SequentialDataset.data_augmentation``: a row of every prefix, without writing it out.

    Where a column is not as the augmentation expects it, RecBole's own method runs, or fails.
    """
    self._aug_presets()
    self._check_field("uid_field", "time_field")
    self.sort(by=[self.uid_field, self.time_field], ascending=True)
    features, width = self.inter_feat, self.config["MAX_ITEM_LIST_LENGTH"]
    user = features[self.uid_field].numpy()
    number = np.arange(len(user))
    is_first = np.diff(user, prepend=user[:1] - 1) != 0
    first = np.maximum.accumulate(np.where(is_first, number, 0))
    target = number[~is_first]
    start = np.maximum(first[~is_first], target - width)
    length = target - start
    flats = _flats(self, width)
    if not len(target) or flats is None:
        _stock(self)
        return
    rows = torch.from_numpy(target)
    values: dict[str, Tensor | _Flat] = {n: v.index_select(0, rows) for n, v in features.interaction.items()}
    values[self.item_list_length_field] = torch.from_numpy(length)
    values |= flats
    self.inter_feat = Histories(Columns(values, torch.from_numpy(start), torch.from_numpy(length.copy()), width))


def _flats(dataset: Any, width: int) -> dict[str, _Flat] | None:
    """By list field the sequences that its rows are slices of; ``None`` where a shape is not the expected one."""
    features, flats = dataset.inter_feat, {}
    if type(features) is not Interaction or dataset.item_list_length_field in features:
        return None
    for field, value in features.interaction.items():
        if field == dataset.uid_field:
            continue
        list_field = getattr(dataset, f"{field}_list_field")
        declared = dataset.field2seqlen[list_field]
        shape = (declared,) if isinstance(declared, int) else tuple(declared)
        is_float = dataset.field2type[field] in (FeatureType.FLOAT, FeatureType.FLOAT_SEQ)
        if is_float and field in dataset.config["numerical_features"]:
            shape += (2,)
        if shape != (width, *value.shape[1:]) or list_field in features or value.element_size() not in _INTEGERS:
            return None
        flats[list_field] = _Flat(value, width)
    return flats
