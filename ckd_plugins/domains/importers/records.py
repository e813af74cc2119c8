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
    """Return a field of metadata as text: lists are joined by commas, lists of lists without repeats."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        parts = [words(part) for part in value]
        return ", ".join(dict.fromkeys(part for part in parts if part))
    return str(value)
