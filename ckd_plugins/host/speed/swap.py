"""Attributes of RecBole's classes and modules, exchanged for as long as a dataset is loaded and put back after it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from threading import RLock
from typing import Any

__all__ = ["swapped"]

_LOCK = RLock()
"""Two threads that exchange the same attribute would put back one another's."""


@contextlib.contextmanager
def swapped(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    """Exchange an attribute of a class or a module; one thread at a time."""
    with _LOCK:
        stock = vars(owner)[name]
        setattr(owner, name, replacement)
        try:
            yield
        finally:
            setattr(owner, name, stock)
