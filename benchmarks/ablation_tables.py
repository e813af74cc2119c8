"""The ablation's tables, of whatever runs are finished."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from ablation_records import by_user
from ablation_rows import ROWS
from ablation_runs import Places, Teacher, teachers_of, tuned, work_of
from pages import write_table

SHOWN = ("recall@10", "ndcg@10", "recall@50", "ndcg@50")
CHOICE = "ndcg@10"
"""What rows are chosen by, on validation, and compared by, on the test."""


@dataclass(frozen=True)
class Cell:
    """A row's finished runs by seed."""

    title: str
    reference: str | None
    results: Mapping[int, Mapping[str, Any]]

    @property
    def valid(self) -> float:
        """Of what rows are chosen by, the mean over the seeds."""
        return float(self.valid_by_seed(sorted(self.results)).mean())

    def valid_by_seed(self, seeds: Sequence[int]) -> np.ndarray:
        """``[S]`` of the same."""
        return np.array([self.results[seed]["best_valid_result"][CHOICE] for seed in seeds])

    def test(self, metric: str) -> float:
        """A metric's mean over seeds and users, exact: RecBole's are rounded."""
        return float(self.per_user(metric, sorted(self.results))[1].mean())

    def per_user(self, metric: str, seeds: Sequence[int]) -> tuple[set[str], np.ndarray]:
        """Which users were tested, and ``[S, U]`` their metric."""
        records = [self.results[seed] for seed in seeds]
        users = {record["users"] for record in records}
        if len(users) > 1:
            raise click.ClickException(f"{self.title!r}: its seeds were tested on different users; remove some records")
        return users, np.stack([by_user(record, metric) for record in records])


def cells(
    dataset: Path, family: str, seeds: Sequence[int], teachers: Sequence[Teacher], places: Places
) -> dict[str, Cell]:
    """Rows that have a finished run."""
    found = {}
    ready = tuned(dataset, family, places) is not None
    for name, row in ROWS[family].items():
        if (row.tuned and not ready) or (row.teachers == "second" and len(teachers) < 2):
            continue
        works = {seed: work_of(dataset, family, name, seed, teachers, places) for seed in seeds}
        results = {seed: result for seed, work in works.items() if (result := work.result()) is not None}
        if results:
            title = row.title
            if row.teachers in ("first", "second"):
                title = f"{teachers[row.teachers == 'second'].label} alone"
            found[name] = Cell(title, row.reference, results)
    return found


def shared_seeds(one: Cell, other: Cell) -> list[int]:
    """Those that both have a run with."""
    return sorted(one.results.keys() & other.results.keys())


def compared(one: Cell, other: Cell, metric: str) -> Any:
    """``other`` beside ``one`` over the seeds that both have; ``None`` where there are none."""
    from ckd_plugins.study.statistics import compare

    seeds = shared_seeds(one, other)
    if not seeds:
        return None
    (users, before), (theirs, after) = one.per_user(metric, seeds), other.per_user(metric, seeds)
    if users != theirs:
        raise click.ClickException(f"{one.title!r} and {other.title!r} were tested on other users")
    return compare(before, after)


def by_validation(one: Cell, other: Cell) -> str:
    """``+0.0003, 4 of 5, p .121``: how far ``other`` is above, in how many seeds, and a paired t test over them."""
    from scipy import stats

    seeds = shared_seeds(one, other)
    before, after = one.valid_by_seed(seeds), other.valid_by_seed(seeds)
    change = after - before
    text = f"{change.mean():+.4f}, {(change > 0).sum()} of {len(seeds)}"
    # Of one seed, or of differences that are equal up to rounding, there is no variance to test with.
    return f"{text}, p {shown_p(stats.ttest_rel(after, before).pvalue)}" if np.ptp(change) > 1e-9 else text


def holm_of(found: Mapping[Any, Any]) -> dict[Any, float]:
    """Adjusted p values of a table's comparisons."""
    from ckd_plugins.study.statistics import holm

    return dict(zip(found, holm([one.p for one in found.values()]), strict=True))


def gain(found: Any, p: float) -> str:
    """``+4.1% (+2.0 to +6.2) | .003``."""
    low, high = found.gain_interval
    if math.isnan(found.gain):
        return " | "
    return f"{100 * found.gain:+.1f}% ({100 * low:+.1f} to {100 * high:+.1f}) | {shown_p(p)}"


def shown_p(p: float) -> str:
    """Three decimals, and less than the last one as such."""
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def rows_table(by_name: Mapping[str, Cell]) -> Iterator[str]:
    """A family's rows on a dataset: each against the row that it changes."""
    found = {
        name: result
        for name, cell in by_name.items()
        if cell.reference in by_name and (result := compared(by_name[cell.reference], cell, CHOICE)) is not None
    }
    p = holm_of(found)
    # Means over other seeds are not comparable: only rows that have all of them are.
    whole = max(len(cell.results) for cell in by_name.values())
    best = max(
        (cell for cell in by_name.values() if len(cell.results) == whole),
        key=lambda cell: cell.valid,
    )
    shown = " | ".join(SHOWN)
    yield f"| | row | seeds | valid {CHOICE} | {shown} | {CHOICE}, gain (95%) | p | valid, difference | over |"
    yield "|---" * (len(SHOWN) + 8) + "|"
    for name, cell in by_name.items():
        valid = f"{cell.valid:.4f}"
        numbers = " | ".join(f"{cell.test(metric):.4f}" for metric in SHOWN)
        over = " | | | "
        if name in found:
            other = by_name[cell.reference]
            over = f"{gain(found[name], p[name])} | {by_validation(other, cell)} | {other.title}"
        marked = f"**{valid}**" if cell is best else valid
        yield f"| {cell.title} | `{name}` | {len(cell.results)} | {marked} | {numbers} | {over} |"


def gains_table(tables: Mapping[tuple[str, str], Mapping[str, Cell]]) -> Iterator[str]:
    """Distilled over plain and over tuned plain, each family on each dataset."""
    yield "| | students | seeds | metric | distilled | gain (95%) | p | difference over seeds (95%) |"
    yield "|---" * 8 + "|"
    found = {}
    for (dataset, family), by_name in tables.items():
        for base in ("plain", "tuned"):
            for metric in ("recall@10", CHOICE):
                if base in by_name and "distilled" in by_name:
                    result = compared(by_name[base], by_name["distilled"], metric)
                    if result is not None:
                        found[dataset, family, by_name[base].title, metric] = result
    p = holm_of(found)
    for key, one in found.items():
        dataset, family, base, metric = key
        low, high = one.seed_interval
        seeds = "" if math.isnan(low) else f"{low:+.4f} to {high:+.4f}"
        yield (
            f"| {dataset} | {family}, over {base} | {one.seeds} | {metric} | {one.other:.4f} | {gain(one, p[key])} | "
            f"{seeds} |"
        )


def write_tables(
    data: Path, datasets: Sequence[str], families: Sequence[str], seeds: Sequence[int], named: str, places: Places,
    page: Path | None,
) -> None:  # fmt: skip
    """Print all tables, and put them into a page."""
    tables = {}
    for dataset in datasets:
        teachers = teachers_of(data / dataset, named, places.runs)
        for family in families:
            found = cells(data / dataset, family, seeds, teachers, places)
            if found:
                tables[dataset, family] = found
                lines = [f"{family} on {dataset}:", "", *rows_table(found)]  # a page with no runs has no heading
                write_table("\n".join(lines), f"ablation {family} {dataset}", page)
    if tables:
        write_table("\n".join(gains_table(tables)), "ablation gains", page)
