"""What kind of student each model makes, as :mod:`ckd_plugins.training.survey` measured it; ``table.json`` holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["TABLE", "StudentRow", "read_table", "write_table"]

TABLE = Path(__file__).with_name("table.json")
"""Written by ``docs/_students.py`` alone; the tests measure every row anew."""


@dataclass(frozen=True)
class StudentRow:
    """What was found out about one model."""

    name: str
    family: str
    status: str
    """``student``, or why it cannot be one."""
    reader: str = ""
    passes: int = 0
    """How often the rows of a batch go through the model in a distilled step, its own loss included."""
    own_calls: int = 0
    """Calls of ``forward`` that the model's own loss makes."""
    extra_calls: int = 0
    """Calls of ``forward`` that reading the candidates adds; expanded rows add one, over other rows."""
    needs: tuple[str, ...] = ()
    """Beside users, items and the order of interactions: files, item features, PyPI packages."""
    draws: bool = False
    """Whether it ranks with random numbers, so that two evaluations of the same weights differ."""
    note: str = ""
    """Why the rows go through it twice, and what is worked round."""

    @property
    def is_student(self) -> bool:
        """Whether it can be distilled."""
        return self.status == "student"


def read_table() -> list[StudentRow]:
    """The rows as last measured, by name."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    return [StudentRow(**{**row, "needs": tuple(row["needs"])}) for row in rows]


def write_table(rows: Iterable[StudentRow]) -> None:
    """Keep rows as the package's table."""
    ordered = sorted(rows, key=lambda row: row.name.lower())
    TABLE.write_text(json.dumps([asdict(row) for row in ordered], indent=1) + "\n", encoding="utf-8")
