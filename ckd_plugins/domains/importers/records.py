"""A line that holds one record: JSON, or the Python literal that the 2014 release of the Amazon data has."""

from __future__ import annotations

import ast
import json
import warnings
from typing import Any

from ckd_plugins.domains.importers.log import Malformed

__all__ = ["parse_record", "words"]


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Return a line's record, ``None`` for an empty line. A literal is parsed, never evaluated.

    Raises:
        ValueError: it is neither JSON nor a literal, or no mapping.
    """
    if not line or line.isspace():
        return None
    if line.startswith(b"{'"):
        record = _literal(line)
    else:
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            try:
                record = _literal(line)
            except (ValueError, SyntaxError):
                raise Malformed(f"no JSON: {error.msg}, column {error.colno}") from None
    if not isinstance(record, dict):
        raise Malformed(f"a {type(record).__name__}, not a mapping")
    return record


def _literal(line: bytes) -> Any:
    with warnings.catch_warnings():
        for category in (SyntaxWarning, DeprecationWarning):  # a backslash in a title, since 3.12 and before
            warnings.simplefilter("ignore", category)
        return ast.literal_eval(line.decode("utf-8").strip())


def words(value: Any) -> str:
    """Return a field of metadata as text; what is in lists, and in lists of lists, is joined by commas, each once."""
    return ", ".join(dict.fromkeys(_parts(value)))


def _parts(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [part for inner in value for part in _parts(inner)]
    return [str(value)] if value not in (None, "") else []
