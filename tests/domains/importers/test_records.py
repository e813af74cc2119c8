"""Records in both spellings, and nothing that executes."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from ckd_plugins.domains.importers.records import parse_record, words


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b'{"asin": "1", "title": "Tea \\u00e9"}', {"asin": "1", "title": "Tea é"}),
        (b"{'asin': '1', 'title': \"Dog's\", 'related': {'a': ['2']}, 'price': None}",
         {"asin": "1", "title": "Dog's", "related": {"a": ["2"]}, "price": None}),
        (b'{"it\'s": \'1\'}', {"it's": "1"}),
        (b"  \n", None),
    ],
)  # fmt: skip
def test_json_and_literals_are_read(line: bytes, record: object) -> None:
    """The 2014 metadata are Python literals, the later ones JSON; a reader of one loses the other."""
    assert parse_record(line) == record


@pytest.mark.parametrize(
    "line", [b"{'a': 1", b"[1]", b'{"a": ', b"{'a': f(1)}", b"{'a': " + b"[" * 5000, b"{'a': \xff}"]
)
def test_what_is_no_record_is_an_error_of_values_or_syntax(line: bytes) -> None:
    """The reader counts these and goes on."""
    with pytest.raises((ValueError, SyntaxError, RecursionError, MemoryError)):
        parse_record(line)


def test_a_literal_is_not_run(tmp_path: Path) -> None:
    """The published advice is eval(): a line could do whatever the user can."""
    target = tmp_path / "made"
    line = f"{{'a': __import__('pathlib').Path({str(target)!r}).touch()}}".encode()
    with pytest.raises(ValueError):
        parse_record(line)
    assert not target.exists()


def test_backslashes_in_titles_do_not_warn() -> None:
    """A warning a line would bury everything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_record(b"{'title': 'A\\d'}") == {"title": "A\\d"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("Tea", "Tea"),
        (["Toys", "Dolls"], "Toys, Dolls"),
        ([["Toys", "Dolls"], ["Toys", "Games, old"]], "Toys, Dolls, Games, old"),
        (["Toys", "", None, "Toys"], "Toys"),
        (3, "3"),
    ],
)
def test_fields_become_words(value: object, text: str) -> None:
    """A list printed as Python would be read by the language model."""
    assert words(value) == text
