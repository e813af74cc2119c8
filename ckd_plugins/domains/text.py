"""Item texts from the fields of a catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape

__all__ = ["build_text", "clean", "join"]

_TAG = re.compile(r"<[a-zA-Z/!][^<>]*>")
_SPACE = re.compile(r"\s+")
LONGEST = 2000


def clean(field: str) -> str:
    """Return a field as one tidy sentence, or ``""`` when nothing is left of it.

    Entities are decoded (twice: catalogues often encode twice), tags and quotes dropped, white space joined, and the
    end is exactly one full stop. A field of 2,000 characters or more is a scraped page and counts as empty. This is
    the cleaning of UniSRec's published preprocessing (``process_amazon.py``), with tags dropped as well.
    """
    field = _TAG.sub(" ", unescape(unescape(field))).replace('"', " ")
    field = _SPACE.sub(" ", field).strip()
    if not field or len(field) >= LONGEST or not any(c.isalnum() for c in field):
        return ""
    return field.rstrip(". ") + "."


def build_text(fields: Iterable[str | None]) -> str | None:
    """Return the cleaned fields joined by spaces, or ``None`` when the item has no text at all."""
    return join(clean(field) for field in fields if field)


def join(cleaned: Iterable[str]) -> str | None:
    """Return fields that are clean already as :func:`build_text` does."""
    return " ".join(field for field in cleaned if field) or None
