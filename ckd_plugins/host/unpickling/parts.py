"""Placeholders for what a pickle makes. They hold what the file said and do nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from ckd_plugins.host.unpickling.names import Name, Refused, Unreadable

__all__ = ["ArrayPart", "DtypePart", "OrderedPart", "RecordPart", "StoragePart", "TensorPart", "check_keys", "whole"]

_KEYS = (str, int, float, bool, bytes, type(None), Name)


class OrderedPart(dict[Any, Any]):
    """An ``OrderedDict``; attributes that the file gives it (a state dict's versions) are dropped."""

    def __setstate__(self, state: Any) -> None:
        """Drop the attributes."""


@dataclass(eq=False)
class RecordPart:
    """An object of a class that is known by name only: its attributes."""

    full: str
    state: dict[str, Any] = field(default_factory=dict)

    def __setstate__(self, state: Any) -> None:
        """Keep the attributes."""
        if not isinstance(state, dict):
            raise Unreadable(f"the attributes of {self.full} are no mapping")
        self.state.update(state)


@dataclass(eq=False)
class StoragePart:
    """A run of numbers that the file holds under a key."""

    key: str
    dtype: torch.dtype
    elements: int

    def __setstate__(self, state: Any) -> None:
        raise Unreadable("a storage with attributes")


@dataclass(eq=False)
class TensorPart:
    """A view of a storage."""

    storage: StoragePart
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def __setstate__(self, state: Any) -> None:
        raise Unreadable("a tensor with attributes")


@dataclass(eq=False)
class DtypePart:
    """A numpy dtype: its code, and the order of bytes."""

    code: str
    order: str = "="

    def __setstate__(self, state: Any) -> None:
        """Keep the order of bytes; dtypes with fields are not read."""
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise Unreadable("a numpy dtype is malformed")
        if any(part is not None for part in state[2:5]):
            raise Refused("a numpy dtype with fields")
        self.order = state[1]


@dataclass(eq=False)
class ArrayPart:
    """A numpy array: ``content`` is its bytes, or the list of its objects."""

    shape: tuple[int, ...] = (0,)
    dtype: DtypePart = field(default_factory=lambda: DtypePart("u1"))
    fortran: bool = False
    content: bytes | list[Any] = b""

    def __setstate__(self, state: Any) -> None:
        """Keep what ``ndarray.__reduce__`` gives: version, shape, dtype, order, content."""
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], DtypePart):
            raise Unreadable("a numpy array is malformed")
        if not isinstance(state[4], bytes | bytearray | list):
            raise Unreadable("a numpy array has no content")
        self.shape, self.dtype, self.fortran = whole(state[1]), state[2], bool(state[3])
        self.content = state[4] if isinstance(state[4], list) else bytes(state[4])


def whole(numbers: Any) -> tuple[int, ...]:
    """Return sizes as a tuple of whole numbers, none below 0."""
    if not isinstance(numbers, tuple | list) or any(type(n) is not int or n < 0 for n in numbers):
        raise Unreadable("the sizes of a tensor or an array are no whole numbers")
    return tuple(numbers)


def check_keys(keys: Any) -> None:
    """Refuse keys whose hash could take for ever: tuples nested in tuples."""
    for key in keys:
        if not (isinstance(key, _KEYS) or (type(key) is tuple and all(isinstance(k, _KEYS) for k in key))):
            raise Refused(f"a key or an element of a set of the type {type(key).__name__!r}")
