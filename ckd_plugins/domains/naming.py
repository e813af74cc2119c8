"""What a merged dataset calls its items: ``domain/item``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["DOMAIN_FIELD", "SEPARATOR", "domain_of", "item_domains", "plain"]

DOMAIN_FIELD = "domain"
"""Column of a merged dataset's files that holds the domain's name."""
SEPARATOR = "/"


def domain_of(token: str) -> str | None:
    """Return the domain in a token's name, ``None`` where there is none."""
    name, separator, _ = token.partition(SEPARATOR)
    return name if separator else None


def plain(token: str) -> str:
    """Return what a token was called before it was merged."""
    return token.partition(SEPARATOR)[2] or token


def item_domains(tokens: Sequence[str | None]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Take item names apart.

    Args:
        tokens: names by item id; ``None`` for padding.

    Returns:
        The domains' names in the order of their first item, and ``[n]`` each item's domain as an index of them; -1 for
        padding and for an item that is named otherwise.
    """
    index: dict[str, int] = {}
    found = np.full(len(tokens), -1, np.int64)
    for at, token in enumerate(tokens):
        name = None if token is None else domain_of(token)
        if name is not None:
            found[at] = index.setdefault(name, len(index))
    return tuple(index), found
