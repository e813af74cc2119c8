"""Recformer's json: sequences in three files, numbers of users and items, metadata."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from ckd_plugins.domains.importers.base import Importer, Interaction, Item, by_position
from ckd_plugins.domains.importers.log import ImportLog
from ckd_plugins.domains.importers.reading import load_json, require
from ckd_plugins.domains.importers.records import words

__all__ = ["Recformer"]

_PARTS = ("train", "val", "test", "umap", "smap", "meta_data")


class Recformer(Importer):
    """The fine-tuning data of Recformer (Li et al., KDD 2023), as its ``finetune_data/process.py`` writes them.

    ``train.json``, ``val.json`` and ``test.json`` map users' numbers to items' numbers, ``umap.json`` and
    ``smap.json`` tokens to these numbers, ``meta_data.json`` item tokens to ``title``, ``brand`` and ``category``.
    Users and items get their tokens (``reviewerID`` and ASIN) back. Users without a validation and a test target are
    left out. Each file is one JSON value, held in memory as a whole.

    Args:
        path: the folder with the six files.
    """

    prepared: ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        self.folder = Path(path).expanduser()

    def sources(self) -> list[Path]:
        """The six files."""
        return [self.folder / f"{part}.json" for part in _PARTS]

    def interactions(self, log: ImportLog) -> Iterator[Interaction]:
        """Yield each user's sequence, at times 1, 2, ..., in the users' order of the training file."""
        users = {str(number): token for token, number in self._load("umap", log).items()}
        items = {str(number): token for token, number in self._load("smap", log).items()}
        valid, test = self._load("val", log), self._load("test", log)
        for user, sequence in self._load("train", log).items():
            if not (valid.get(user) and test.get(user)):
                log.left_out["user without a validation and a test target"] += 1
                continue
            try:
                tokens = [items[str(item)] for item in [*sequence, *valid[user], *test[user]]]
                name = users[user]
            except KeyError as error:
                log.flag(f"user {user!r}: {error.args[0]!r} is not in umap.json or smap.json")
            except TypeError:
                log.flag(f"user {user!r} has no lists of items")
            else:
                yield from by_position(name, tokens)

    def items(self, log: ImportLog) -> Iterator[Item]:
        """Yield the items of ``smap.json``, in its order; the metadata hold the whole shop."""
        metadata = self._load("meta_data", log)
        for token in self._load("smap", log):
            about = metadata.get(token)
            if isinstance(about, dict):
                yield Item(token, words(about.get("title")), words(about.get("brand")), words(about.get("category")))
            else:
                yield Item(token)

    def _load(self, part: str, log: ImportLog) -> dict[str, Any]:
        path = self.folder / f"{part}.json"
        return load_json(require(path, f"a dataset of Recformer has {', '.join(_PARTS)} (.json)"), dict, log)
