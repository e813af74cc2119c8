"""LC-Rec's json: a file of the users' sequences and one of the items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from ckd_plugins.domains.importers.base import Importer, Interaction, Item, by_position
from ckd_plugins.domains.importers.log import ImportLog
from ckd_plugins.domains.importers.prepared import find_name
from ckd_plugins.domains.importers.reading import load_json, require
from ckd_plugins.domains.importers.records import words

__all__ = ["LCRec"]


class LCRec(Importer):
    """The datasets of LC-Rec (Zheng et al., ICDE 2024) and of the works that took its processing over.

    ``<D>.inter.json`` maps users to item numbers in the order of time, ``<D>.item.json`` item numbers to ``title``,
    ``brand``, ``categories`` and a description, which is left out. Both are one JSON value, held in memory as a whole.

    Args:
        path: the folder, named as the files in it (``Office/Office.inter.json``), or one of the two files.
    """

    prepared: ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        self.folder, self.dataset = find_name(path, ".inter.json")

    def sources(self) -> list[Path]:
        """The two files."""
        return [self.folder / f"{self.dataset}.{kind}.json" for kind in ("inter", "item")]

    def interactions(self, log: ImportLog) -> Iterator[Interaction]:
        """Yield each user's sequence, at times 1, 2, ...; a user's entry counts as a line."""
        users = load_json(self.sources()[0], dict, log)
        for user, sequence in users.items():
            if isinstance(sequence, list) and all(isinstance(item, int | str) for item in sequence):
                yield from by_position(user, [str(item) for item in sequence])
            else:
                log.flag(f"user {user!r} has no list of items")

    def items(self, log: ImportLog) -> Iterator[Item]:
        """Yield all items of the file."""
        path = require(self.sources()[1], "a dataset of LC-Rec has .inter.json and .item.json")
        for token, about in load_json(path, dict, log).items():
            if isinstance(about, dict):
                yield Item(token, *(words(about.get(field)) for field in ("title", "brand", "categories")))
            else:
                log.flag(f"item {token!r} has no fields")
