from __future__ import annotations

import pytest

from ckd_plugins.domains.text import LONGEST, build_text, clean


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("Widget &amp;amp; Co", "Widget & Co."),
        ('A "quoted"\nname...', "A quoted name."),
        ("<b>Bold</b> text", "Bold text."),
        ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3."),
        (" . ", ""),
        ("&nbsp;", ""),
        ("x" * LONGEST, ""),
        ("x" * (LONGEST - 1), "x" * (LONGEST - 1) + "."),
    ],
)
def test_clean(field: str, wanted: str) -> None:
    """Mark-up and scraped pages would dominate the vectors; inequality signs are not mark-up."""
    assert clean(field) == wanted


def test_no_text_is_none_and_never_an_empty_string() -> None:
    """An empty string would be encoded, and all items without text would share its vector."""
    assert build_text(["", None, " . "]) is None
    assert build_text([]) is None
    assert build_text(["Title", "", "Brand."]) == "Title. Brand."
