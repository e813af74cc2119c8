"""Results of several runs as the rows of one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Row", "comparison", "gains"]


@dataclass(frozen=True)
class Row:
    """One line of a comparison: a teacher, or one training of a student."""

    kind: str
    """``teacher``, ``plain`` or ``distilled``."""
    name: str
    metrics: Mapping[str, float] | None
    """Test metrics; ``None`` where the run is not evaluated by full ranking."""
    seconds: float
    """Of training: all of a teacher's stages, or a student's fit."""
    parameters: int
    epochs: int | None = None
    reused: bool = False
    """The teacher came from the cache."""
    protocol: str = ""
    """Which runs share test rows and masking; metrics compare within one only."""


def comparison(results: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of ``distill``'s results: each teacher once per protocol, then students in the order given."""
    teachers: dict[tuple[str, str], Row] = {}
    students: list[Row] = []
    for result in results:
        about = result["ckd"]
        protocol = about.get("protocol", "")
        for name, teacher in about["teachers"].items():
            row = Row(
                "teacher",
                name,
                teacher["test_result"],
                sum(teacher["seconds"].values()),
                teacher["parameters"],
                reused=teacher["reused"],
                protocol=protocol,
            )
            kept = teachers.get((protocol, name))
            if kept is None or kept.reused:  # the run that trained it knows what it cost
                teachers[protocol, name] = row
        students.append(
            Row(
                "distilled" if about["teachers"] else "plain",
                about["model"],
                result["test_result"],
                about["seconds"]["fit"],
                about["parameters"],
                about["epochs"],
                protocol=protocol,
            )
        )
    shown = list(teachers.values())
    if len({row.protocol for row in shown}) > 1:
        shown = [replace(row, name=f"{row.name} ({row.protocol})") for row in shown]
    return [*shown, *students]


def gains(rows: Sequence[Row], metric: str) -> dict[str, float]:
    """Relative gain of each model's distilled run over its plain run, e.g. ``{"SASRec": 0.12}``."""
    by_kind: dict[str, dict[str, float]] = {"plain": {}, "distilled": {}}
    for row in rows:
        if row.kind in by_kind and row.metrics is not None and metric in row.metrics:
            by_kind[row.kind][row.name] = row.metrics[metric]
    return {
        name: value / by_kind["plain"][name] - 1
        for name, value in by_kind["distilled"].items()
        if by_kind["plain"].get(name)
    }
