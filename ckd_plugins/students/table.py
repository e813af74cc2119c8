"""What kind of student each model makes, as :mod:`ckd_plugins.training.survey` measured it; ``table.json`` holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["TABLE", "StudentRow", "read_table", "summary", "write_table"]

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
    """How often the rows of a batch go through the model in a distilled step, its own loss included; the call that
    expanded rows make, of their candidates in the item's place, counts in ``extra_calls`` alone."""
    own_calls: int = 0
    """Calls of ``forward`` that the model's own loss makes."""
    extra_calls: int = 0
    """Calls of ``forward`` that reading the candidates adds; expanded rows add one, over other rows."""
    needs: tuple[str, ...] = ()
    """Beside users, items and the order of interactions: files, item features, PyPI packages."""
    draws: bool = False
    """Whether it ranks with random numbers, so that two evaluations of the same weights differ."""
    speed: tuple[str, ...] = ()
    """Settings of ``ckd.speed`` that make it faster and were found to leave its loss and gradients as they are."""
    note: str = ""
    """Why the rows go through it twice, and what is worked round."""

    @property
    def calls(self) -> str:
        """Calls of ``forward`` in a distilled step: by the own loss, and by reading the candidates."""
        return f"{self.own_calls}+{self.extra_calls}" if self.is_student else ""

    @property
    def is_student(self) -> bool:
        """Whether it can be distilled."""
        return self.status == "student"


def read_table() -> list[StudentRow]:
    """The rows as last measured, by name."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    return [StudentRow(**{**row, **{name: tuple(row[name]) for name in ("needs", "speed")}}) for row in rows]


def write_table(rows: Iterable[StudentRow]) -> None:
    """Keep rows as the package's table."""
    ordered = sorted(rows, key=lambda row: row.name.lower())
    TABLE.write_text(json.dumps([asdict(row) for row in ordered], indent=1) + "\n", encoding="utf-8")


def summary(rows: Iterable[StudentRow]) -> str:
    """How many are students, and what distilling them costs, in a sentence."""
    rows = list(rows)
    found = [row for row in rows if row.is_student]
    once = [row for row in found if row.passes == 1]
    alone = sum(row.extra_calls == 0 for row in once)
    return (
        f"{len(found)} of {len(rows)} models are students, {len(once)} of them with one pass; for {alone} of these "
        f"reading calls nothing, for {len(once) - alone} it calls forward on the rows' candidates."
    )
