"""What an importer gives: interactions and items, one by one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

from ckd_plugins.domains.importers.log import ImportLog

__all__ = ["Importer", "Interaction", "Item", "by_position"]


class Interaction(NamedTuple):
    """A user chose an item."""

    user: str
    item: str
    time: float
    """Seconds since 1970; in formats without clock time the position in the user's sequence, from 1."""
    rating: float = math.nan
    """``nan`` where there is none."""


class Item(NamedTuple):
    """An item's text as published, in parts; entities are decoded and white space joined when it is written."""

    token: str
    title: str = ""
    brand: str = ""
    categories: str = ""


class Importer(ABC):
    """A published format.

    ``__init__(path, **options)`` takes the path that the user gave and the format's own options, each with a type.
    Nothing is read before :meth:`interactions` is called.
    """

    prepared: ClassVar[bool] = False
    """The files are filtered and ordered by their authors: no k-core unless the user asks for one, times are positions,
    numbered anew when filters are done, and the items keep the order of :meth:`items`, those without interactions too.
    """

    @abstractmethod
    def interactions(self, log: ImportLog) -> Iterator[Interaction]:
        """Yield all interactions, in the order of the files; ties in time keep this order.

        Args:
            log: counts malformed lines; :func:`~ckd_plugins.domains.importers.read_lines` uses it.

        Raises:
            DataError: a file is missing or is not of this format.
        """

    def items(self, log: ImportLog) -> Iterator[Item]:
        """Yield the items' texts, those of items without interactions too; may be called twice. None by default."""
        return iter(())

    def sources(self) -> list[Path]:
        """The files that are read, for the summary; none by default."""
        return []


def by_position(user: str, sequence: list[str]) -> Iterator[Interaction]:
    """Yield a user's items as interactions at times 1, 2, ..."""
    for position, item in enumerate(sequence, 1):
        yield Interaction(user, item, float(position))
