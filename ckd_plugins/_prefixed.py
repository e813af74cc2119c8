"""Several mappings in one, told apart by how their names begin: as files of tensors keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

__all__ = ["below"]

T = TypeVar("T")


def below(values: Mapping[str, T], prefix: str) -> dict[str, T]:
    """Return what has a name that begins with ``prefix``, under the rest of the name."""
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
