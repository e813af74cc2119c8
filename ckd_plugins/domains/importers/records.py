"""A line that holds one record: JSON, or the Python literal that the 2014 release of the Amazon data has."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from ckd_plugins.domains.importers.log import Malformed

__all__ = ["parse_record", "parser_of", "words"]

T = TypeVar("T")


def parse_record(line: bytes) -> dict[str, Any] | None:
    """Return a line's record, ``None`` for an empty line. A literal is parsed, never evaluated.

    Raises:
        ValueError: it is neither JSON nor a literal, or no mapping.
    """
    if not line or line.isspace():
        return None
    text = line.decode("utf-8")
    if text.startswith("{'"):
        record = _literal(text)
    else:
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            try:
                record = _literal(text)
            except (ValueError, SyntaxError):
                raise Malformed(f"no JSON: {error.msg}, column {error.colno}") from None
    if not isinstance(record, dict):
        raise Malformed(f"a {type(record).__name__}, not a mapping")
    return record


def parser_of(make: Callable[[dict[str, Any]], T]) -> Callable[[bytes], T | None]:
    """Return a parser of lines, for :func:`~ckd_plugins.domains.importers.reading.read_lines`.

    Args:
        make: what becomes of a record.
    """

    def parse(line: bytes) -> T | None:
        record = parse_record(line)
        return None if record is None else make(record)

    return parse


_OTHER_ESCAPE = re.compile(r"\\[^']")
# Loops unrolled: an alternative for each character takes ten times as long.
_TOKEN = re.compile(r"""'[^'\\]*(?:\\'[^'\\]*)*'|"[^"\\]*(?:\\'[^"\\]*)*"|None|True|False""")
_WORDS = {"None": "null", "True": "true", "False": "false"}


def _literal(text: str) -> Any:
    """A literal's value: by the JSON parser where its strings can be quoted anew, at a third of the time."""
    if not _OTHER_ESCAPE.search(text):
        with contextlib.suppress(ValueError):
            return json.loads(_TOKEN.sub(_as_json, text))
    with warnings.catch_warnings():
        for category in (SyntaxWarning, DeprecationWarning):  # a backslash in a title, since 3.12 and before
            warnings.simplefilter("ignore", category)
        return ast.literal_eval(text.strip())


def _as_json(token: re.Match[str]) -> str:
    found = token[0]
    if found[0] in "'\"":
        body = found[1:-1].replace("\\'", "'")
        return f'"{body}"' if found[0] == '"' else '"' + body.replace('"', '\\"') + '"'
    return _WORDS[found]


def words(value: Any) -> str:
    """Return a field of metadata as text; what is in lists, and in lists of lists, is joined by commas, each once."""
    return ", ".join(dict.fromkeys(_parts(value)))


def _parts(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [part for inner in value for part in _parts(inner)]
    return [str(value)] if value not in (None, "") else []
