"""Results of several runs as the rows of one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Row", "bigger_is_better", "comparison", "gain_metric", "gains"]

_SMALLER = frozenset({"averagepopularity", "giniindex", "logloss", "mae", "rmse"})
"""RecBole's metrics with ``smaller = True``, without their ``@k``."""

_SLICES = {
    "all": "all users",
    "macro": "mean of domains",
    "cold_items": "cold items",
    "short_histories": "short histories",
}


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
    slices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Metrics of slices by name: all users, the mean of domains, each domain, cold items, short histories."""


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
                slices=_named(teacher.get("slices", {})),
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
                slices=_named(about.get("slices", {})),
            )
        )
    shown = list(teachers.values())
    if len({row.protocol for row in shown}) > 1:
        shown = [replace(row, name=f"{row.name} ({row.protocol})") for row in shown]
    return [*shown, *students]


def gain_metric(results: Sequence[Mapping[str, Any]], shown: Sequence[str]) -> str:
    """The metric that decides the gain: what the last run is validated by, or the last shown if that is not shown."""
    valid = _valid_metric(results[-1])
    return valid if valid is not None and valid in shown else shown[-1]


def bigger_is_better(results: Sequence[Mapping[str, Any]], metric: str) -> bool:
    """Whether more of a metric is better: as the run says of the metric it is validated by, else by RecBole's names."""
    for result in results:
        if metric == _valid_metric(result) and "valid_score_bigger" in result:
            return bool(result["valid_score_bigger"])
    return metric.partition("@")[0].lower() not in _SMALLER


def gains(rows: Sequence[Row], metric: str, *, bigger: bool = True) -> dict[str, float]:
    """Relative gain of each model's distilled run over its plain run, e.g. ``{"SASRec": 0.12}``.

    Args:
        rows: plain and distilled runs.
        metric: name of a test metric.
        bigger: whether more of it is better. Otherwise a gain is what the metric fell by: 0.5 to 0.4 is 0.2.
    """
    by_kind: dict[str, dict[str, float]] = {"plain": {}, "distilled": {}}
    for row in rows:
        if row.kind in by_kind and row.metrics is not None and metric in row.metrics:
            by_kind[row.kind][row.name] = row.metrics[metric]
    sign = 1 if bigger else -1
    return {
        name: sign * (value / by_kind["plain"][name] - 1)
        for name, value in by_kind["distilled"].items()
        if by_kind["plain"].get(name)
    }


def _named(told: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """A result's slices by the names that readers see; none where all users are the only one."""
    order = ("all", "macro", "domains", "cold_items", "short_histories")
    found: dict[str, Mapping[str, float]] = {}
    for name in [name for name in order if name in told]:
        found |= told[name] if name == "domains" else {_SLICES[name]: told[name]}
    return found if len(found) > 1 else {}


def _valid_metric(result: Mapping[str, Any]) -> str | None:
    """The metric that a run is validated by; of a result without its name, the one with the best score's value."""
    named: str | None = result["ckd"].get("valid_metric")
    best = result.get("best_valid_score")
    return named or next((m for m, value in (result.get("best_valid_result") or {}).items() if value == best), None)
