"""Texts of like length in one forward pass."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

__all__ = ["within_budget"]


def within_budget(lengths: list[int] | npt.NDArray[Any], most: int) -> list[range]:
    """Return consecutive ranges over ascending ``lengths``, whose number times the longest is ``most`` or less.

    A row that is longer than ``most`` has a range of its own.
    """
    ranges, first = [], 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or lengths[end] * (end + 1 - first) > most:
            ranges.append(range(first, end))
            first = end
    return ranges
