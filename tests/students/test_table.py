from __future__ import annotations

from pathlib import Path

import pytest

from ckd_plugins.host.zoo import model_names
from ckd_plugins.registry import Registry
from ckd_plugins.students import table
from ckd_plugins.students.table import StudentRow, read_table, write_table


def test_every_model_has_a_row() -> None:
    """A model that the table forgets is one that nobody measured."""
    names = [row.name for row in read_table()]
    assert sorted(names) == sorted([*model_names(), *Registry(discover=False).names("student")])
    assert names == sorted(names, key=str.lower)


def test_rows_survive_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that is lost on the way is reported as its default."""
    monkeypatch.setattr(table, "TABLE", tmp_path / "table.json")
    rows = [
        StudentRow("B", "graph", "student", "second pass", 2, 1, 1, (".kg .link", "x"), True, ("trim",), "why"),
        StudentRow("a", "general", "no gradients"),
    ]
    write_table(rows)
    assert read_table() == rows[::-1]
    assert [row.is_student for row in read_table()] == [False, True]
