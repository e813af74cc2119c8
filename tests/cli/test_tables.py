"""Tables for people on a terminal and for tools in a pipe."""

from __future__ import annotations

import sys

from ckd_plugins.cli.tables import print_table

LONG = "x" * 300


def test_a_pipe_gets_plain_aligned_columns_uncut(capsys):
    """A table cut to 80 columns loses the end of every error message."""
    print_table(("a", "b"), [("1", LONG), ("222", "short")])
    assert capsys.readouterr().out == f"a    b\n1    {LONG}\n222  short\n"


def test_a_terminal_gets_a_drawn_table(capsys, monkeypatch):
    """Brackets in a cell are text, not markup."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    print_table(("a", "b"), [("1", "[red]two[/red]")], ["green"])
    out = capsys.readouterr().out
    assert "─" in out
    assert "[red]two[/red]" in out


def test_no_rows_is_a_heading(capsys):
    """max() of nothing would raise."""
    print_table(("a", "b"), [])
    assert capsys.readouterr().out == "a  b\n"
