"""Records in both spellings, and nothing that executes."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.sampled_from("ab'\"\\\n ,:{}[]eNone\u2028é"), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("k'\"\\", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text("abc'\"\\", max_size=4), VALUES, max_size=4))
@settings(max_examples=300, deadline=None)
def test_the_quick_way_reads_literals_as_python_does(record: dict[str, object]) -> None:
    """Quotes within quotes, escapes and words that look like None are where a translation to JSON goes wrong."""
    assert parse_record(repr(record).encode()) == record == ast.literal_eval(repr(record))


@pytest.mark.parametrize(
    "line", ["{'a': 'b' 'c'}", "{'a': u'b'}", "{'a': ('b', 1)}", "{'a': 0x10}", r"{'a': '\x41\''}"]
)
def test_what_json_does_not_have_is_left_to_python(line: str) -> None:
    """They are literals as well."""
    assert parse_record(line.encode()) == ast.literal_eval(line)


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
