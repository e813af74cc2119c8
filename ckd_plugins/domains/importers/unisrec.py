"""UniSRec's processed files: three files of rows (user, history, target), texts by ASIN, and the items' numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from ckd_plugins.domains.importers.base import Importer, Interaction, Item, by_position
from ckd_plugins.domains.importers.log import ImportLog, Malformed
from ckd_plugins.domains.importers.prepared import find_name
from ckd_plugins.domains.importers.reading import read_lines, require

__all__ = ["UniSRec"]

_PARTS = "a dataset of UniSRec has .train.inter, .valid.inter, .test.inter, .text and .item2index"


class _Row(NamedTuple):
    user: str
    history: list[str]
    target: str


class UniSRec(Importer):
    """The downstream datasets of UniSRec (Hou et al., KDD 2022), as its ``process_amazon.py`` writes them.

    A user's sequence is put together from the training rows (which hold every prefix), the validation and the test
    target; each row must agree with it. RecBole's leave-one-out then gives the published rows again, with histories
    of 50 under ``MAX_ITEM_LIST_LENGTH: 50``. Users without a validation and a test target are left out.

    Args:
        path: the folder, named as the files in it (``Scientific/Scientific.train.inter``), or any one of the files.
        item_tokens: ``number`` keeps the items' numbers in the rows as tokens; ``asin`` puts Amazon's in their place.
    """

    prepared: ClassVar[bool] = True

    def __init__(self, path: Path, *, item_tokens: Literal["number", "asin"] = "number") -> None:
        self.folder, self.dataset = find_name(path, ".train.inter")
        self.item_tokens = item_tokens

    def sources(self) -> list[Path]:
        """The five files."""
        endings = ("train.inter", "valid.inter", "test.inter", "text", "item2index")
        return [self.folder / f"{self.dataset}.{ending}" for ending in endings]

    def interactions(self, log: ImportLog) -> Iterator[Interaction]:
        """Yield each user's sequence, at times 1, 2, ..., in the users' order of the test file."""
        train, valid, test, _, index = (require(path, _PARTS) for path in self.sources())
        names = dict(_numbers(index, log)) if self.item_tokens == "asin" else None
        known: dict[str, list[str]] = {}
        for user, rows in groupby(read_lines(train, _row, log, skip=1), key=lambda row: row.user):
            if user in known:
                log.flag(f"user {user!r} has rows in two places")
            else:
                known[user] = _longest(list(rows), log)
        held = {}
        for row in read_lines(valid, _row, log, skip=1):
            held[row.user] = _continued(known.get(row.user), row, log)
        tested = set()
        for row in read_lines(test, _row, log, skip=1):
            sequence = held.get(row.user)
            tested.add(row.user)
            if sequence is None:
                log.left_out["user without a validation target"] += 1
                continue
            sequence = _continued(sequence, row, log)
            if names is not None:
                try:
                    sequence = [names[item] for item in sequence]
                except KeyError as error:
                    log.flag(f"item {error.args[0]!r} is not in {index.name}")
                    continue
            yield from by_position(row.user, sequence)
        log.left_out["user without a test target"] += len((known.keys() | held.keys()) - tested)
        log.left_out = +log.left_out

    def items(self, log: ImportLog) -> Iterator[Item]:
        """Yield all items of the index, in its order; the text, which is one field there, is the title."""
        *_, text, index = (require(path, _PARTS) for path in self.sources())
        texts = dict(read_lines(text, _pair, log, skip=1))
        for number, asin in _numbers(index, log):
            yield Item(number if self.item_tokens == "number" else asin, texts.get(asin, ""))


def _row(line: bytes) -> _Row:
    parts = line.decode("utf-8").split("\t")
    if len(parts) != 3:
        raise Malformed(f"{len(parts)} columns, not 3")
    history = parts[1].split()
    if not (parts[0] and history and parts[2]):
        raise Malformed("an empty column")
    return _Row(parts[0], history, parts[2])


def _pair(line: bytes) -> tuple[str, str]:
    key, tab, value = line.decode("utf-8").partition("\t")
    if not tab or not key:
        raise Malformed("no two columns")
    return key, value


def _numbers(index: Path, log: ImportLog) -> Iterator[tuple[str, str]]:
    """(number, ASIN) of each item."""
    for asin, number in read_lines(index, _pair, log):
        yield number.strip(), asin


def _longest(rows: list[_Row], log: ImportLog) -> list[str]:
    """The training sequence that a user's rows are the prefixes of."""
    rows.sort(key=lambda row: len(row.history))  # stable: cut histories keep the order of the file, the newest first
    cut = [row for row in rows if len(row.history) == len(rows[-1].history)]
    rows = rows[: len(rows) - len(cut)] + cut[::-1]
    sequence = list(rows[0].history)
    for row in rows:
        if not _ends(sequence, row.history):
            log.flag(f"the rows of user {row.user!r} do not continue one another")
            continue
        sequence.append(row.target)
    return sequence


def _continued(sequence: list[str] | None, row: _Row, log: ImportLog) -> list[str]:
    """A sequence with a row's target behind it."""
    if sequence is not None and not _ends(sequence, row.history):
        log.flag(f"the history of user {row.user!r} is not the end of the earlier rows")
    return [*(row.history if sequence is None else sequence), row.target]


def _ends(sequence: list[str], history: list[str]) -> bool:
    return sequence[-len(history) :] == history
