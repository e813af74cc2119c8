"""Whether the values of a record are what its fields' types say; of the types that records have, and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["field_types", "fits", "is_reference", "words"]


@cache
def field_types(record: type[Any]) -> dict[str, Any]:
    """Types of a dataclass's fields by name."""
    hints = get_type_hints(record)
    return {field.name: hints[field.name] for field in fields(record)}


def is_reference(wanted: Any) -> bool:
    """Whether a type is that of an object or of where to import it from."""
    return any(get_origin(one) is Callable for one in get_args(wanted))


def fits(value: object, wanted: Any) -> bool:
    """Whether a value is of a type; a list may stand for a tuple, and no number is below 0."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, tuple | list) and all(fits(one, inner[0]) for one in value)
    if origin is Callable:
        return callable(value)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, wanted)


def words(wanted: Any) -> str:
    """A type as a message names it: ``"'text' or 'image'"``."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        return " or ".join(words(one) for one in inner)
    if origin is Literal:
        return " or ".join(repr(one) for one in inner)
    if origin is tuple:
        return f"a tuple of {words(inner[0])}"
    if origin is Callable:
        return "callable"
    return {int: "an int of 0 or more", NoneType: "None"}.get(wanted, str(wanted.__name__))
