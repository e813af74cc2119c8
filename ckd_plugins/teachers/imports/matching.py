"""Rows of a file and rows of a domain, brought together by tokens; what was found, and what was not."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.errors import DataError
from ckd_plugins.teachers.imports.block import Block
from ckd_plugins.teachers.imports.tokens import Tokens

__all__ = ["Coverage", "Places"]

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]

_log = logging.getLogger("ckd_plugins")
_NAMED = 3


@dataclass(frozen=True)
class Places:
    """What a run can ask of a file, by content key: rows of anything else are read over and not kept."""

    keys: UInt64
    """Sorted and distinct."""
    numbers: Int64
    """Where each key's answer goes."""
    examples: tuple[str, ...]
    """Some of the domain's tokens, for messages."""
    max_length: int

    @classmethod
    def of(cls, kind: str, domain: Domain, max_length: int) -> Self:
        """Items and users go where they have their places in the domain; histories in the order of their keys.

        Histories are those before the training interactions and the validation targets.
        """
        if kind == "history":
            asked = (domain.train_instances(max_length), domain.valid_instances(max_length))
            keys = np.unique(np.concatenate([rows.keys(max_length) for rows in asked]))
            keys = keys[keys != 0]
            shown = [_shown(domain, rows.history(r)) for rows in asked[:1] for r in range(min(_NAMED, len(rows)))]
            return cls(keys, np.arange(len(keys)), tuple(shown), max_length)
        tokens = domain.items if kind == "item" else domain.users
        keys = np.maximum(token_hashes(tokens), np.uint64(1))
        order = np.argsort(keys)
        return cls(keys[order], order, tuple(map(repr, tokens[:_NAMED])), max_length)

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, kind: str, names: Tokens) -> Int64:
        """``[R]`` the place of each row of a file, -1 where nobody will ask for it."""
        keys = names.history_keys(self.max_length) if kind == "history" else names.single_keys()
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.numbers[at], -1)


def _shown(domain: Domain, history: npt.NDArray[Any]) -> str:
    return Tokens.of([domain.items[i] for i in history], [len(history)]).name(0)


@dataclass
class Coverage:
    """How much of a domain a file answers for, and what of the file the domain has no use for."""

    file: str
    kind: str
    """``"item"``, ``"user"`` or ``"history"``."""
    asked: int
    """How many the domain has."""
    known: int = 0
    """How many of them the file has."""
    entries: int = 0
    """How many the file has in all."""
    unmatched: int = 0
    """How many of the file's the domain has not."""
    first_unmatched: list[str] = field(default_factory=list)
    longest: int = 0
    """Items of the longest history in the file."""
    examples: list[str] = field(default_factory=list)
    """Some of the file's tokens."""

    def count(self, block: Block, places: Int64) -> None:
        """Take a block's rows in."""
        names = block.tokens[self.kind]
        self.examples += [names.name(row) for row in range(min(_NAMED - len(self.examples), len(names)))]
        strangers = np.flatnonzero(places < 0)
        shown = strangers[: _NAMED - len(self.first_unmatched)]
        self.first_unmatched += [names.name(int(row)) for row in shown]
        self.entries, self.unmatched = self.entries + len(names), self.unmatched + len(strangers)
        self.longest = max(self.longest, int(names.lengths.max(initial=0)))

    @property
    def share(self) -> float:
        """Known ones of those that the domain has."""
        return self.known / max(1, self.asked)

    def check(self, domain: Domain, places: Places) -> None:
        """Report what was found.

        Raises:
            DataError: nothing.
        """
        if not self.known:
            cut = ""
            if self.kind == "history" and self.longest < places.max_length:
                cut = f"; its histories have {self.longest} items at most: if they were cut, set max_length to that"
            raise DataError(
                f"{self.file}: none of its {self.entries} {_plural(self.kind)} is in {domain.name!r}; the file has "
                f"{', '.join(self.examples) or 'none'}, the data {', '.join(places.examples) or 'none'}; write tokens "
                f"as the .inter file has them, not numbers of another program's own{cut}"
            )
        _log.log(logging.WARNING if self.known < self.asked else logging.INFO, "%s", self)

    def __str__(self) -> str:
        told = f"{self.file}: {self.known} of {self.asked} {_plural(self.kind)} known ({100 * self.share:.1f} %)"
        if self.unmatched:
            more = ", ..." if self.unmatched > len(self.first_unmatched) else ""
            told += f"; {self.unmatched} in the file and not in the data: {', '.join(self.first_unmatched)}{more}"
        return told

    def record(self) -> dict[str, Any]:
        """Return it for a report, in plain types."""
        return {
            "file": self.file,
            "of": _plural(self.kind),
            "known": self.known,
            "asked": self.asked,
            "percent": round(100 * self.share, 2),
            "unmatched": self.unmatched,
            "first_unmatched": list(self.first_unmatched),
        }


def _plural(kind: str) -> str:
    return {"history": "histories"}.get(kind, f"{kind}s")
