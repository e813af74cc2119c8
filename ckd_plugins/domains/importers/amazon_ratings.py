"""Ratings of Amazon as comma-separated lines, whose columns differ from release to release."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ckd_plugins.domains.importers.base import Interaction
from ckd_plugins.domains.importers.log import Malformed
from ckd_plugins.errors import DataError

__all__ = ["rating_parser"]

_ASIN = re.compile(rb"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
"""Amazon's own products, and books by their ISBN; users are longer."""
_HEADER = (b"user_id", b"parent_asin", b"rating", b"timestamp")

Parser = Callable[[bytes], Interaction | None]


def rating_parser(path: Path, lines: Sequence[bytes], release: int | None) -> tuple[int, Parser]:
    """Return how many lines to skip, and what parses the rest.

    Args:
        path: the file, for messages.
        lines: its first lines.
        release: 2014, 2018 or 2023, if the user knows.

    Raises:
        DataError: it is not to be told which column is which.
    """
    head = tuple(lines[0].strip().split(b",")) if lines else ()
    if set(_HEADER) <= set(head):  # 2023; with histories it has a column more
        return 1, _parser([head.index(name) for name in _HEADER], len(head), 1000.0)
    if release == 2023:
        raise DataError(f"{path} does not begin with user_id,parent_asin,rating,timestamp, as the 2023 release does")
    if release is None:
        release = _guess(path, lines)
    return 0, _parser([0, 1, 2, 3] if release == 2014 else [1, 0, 2, 3], 4, 1.0)


def _guess(path: Path, lines: Sequence[bytes]) -> int:
    votes = {2014: 0, 2018: 0}
    for line in lines:
        asins = [bool(_ASIN.fullmatch(part)) for part in line.strip().split(b",")]
        if len(asins) == 4 and asins[0] != asins[1]:
            votes[2018 if asins[0] else 2014] += 1
    if votes[2014] == votes[2018]:
        raise DataError(
            f"{path}: neither its first nor its second column looks like Amazon's item numbers; say whether users come "
            "first (--set release=2014) or items (--set release=2018)"
        )
    return max(votes, key=lambda release: votes[release])


def _parser(places: Sequence[int], width: int, units: float) -> Parser:
    user, item, rating, time = places

    def parse(line: bytes) -> Interaction | None:
        parts = line.decode("utf-8").split(",")
        if len(parts) != width:
            if not line.strip():
                return None
            raise Malformed(f"{len(parts)} columns, not {width}")
        return Interaction(
            parts[user].strip(), parts[item].strip(), float(parts[time]) / units, float(parts[rating] or "nan")
        )

    return parse
