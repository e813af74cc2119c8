"""What reading cached teachers costs: writes the tables in docs/performance.md.

    OMP_NUM_THREADS=1 python benchmarks/reading.py --dataset ../shared/data/office --write docs/performance.md

Teachers are 300 random numbers an instance, fp16, in stores as trained ones are. All variants of a training step live
in one process and take turns, a few batches each, over the same rows; a figure is the median of the rounds' ratios.
Beside the clock the processor's time is told, which other programs on the machine disturb less.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
from made_teachers import NAMES, Student
from pages import write_table
from reading_ahead import ahead_table
from reading_lists import list_table
from speed import COMMON, SASREC
from speed_stock import Part


class Spent(NamedTuple):
    """Milliseconds a batch."""

    clock: float
    processor: float


def spent(do: Callable[[], Any], batches: int) -> Spent:
    """Time ``do``, which works so many batches."""
    clock, processor = time.perf_counter(), time.process_time()
    do()
    return Spent(1e3 * (time.perf_counter() - clock) / batches, 1e3 * (time.process_time() - processor) / batches)


def steps(student: Student, batches: int) -> Spent:
    """Train on some batches: the same rows for all students that have been asked as often."""
    if student._order is not None:
        student._order.set_epoch(10**6 + student.epochs)
    part = Part(student._splits.train, batches)
    found = spent(lambda: student.trainer._train_epoch(part, student.epochs), batches)
    student.epochs += 1
    return found


def turns(students: dict[str, Student], rounds: int, batches: int) -> dict[str, list[Spent]]:
    """Let students take turns; the first round, which fills caches, is not counted."""
    found: dict[str, list[Spent]] = {name: [] for name in students}
    for turn in range(rounds + 1):
        for name, student in students.items():
            told = steps(student, batches)
            if turn:
                found[name].append(told)
    return found


def compared(found: dict[str, list[Spent]]) -> Iterator[str]:
    """A row for each variant; the first is what the others are compared with."""
    base = next(iter(found.values()))
    for name, each in found.items():
        clock, processor = (statistics.median(column) for column in zip(*each, strict=True))
        ratios = [
            [mine[unit] / plain[unit] for mine, plain in zip(each, base, strict=True)] for unit in range(len(each[0]))
        ]
        told = [
            f"**{statistics.median(r):.2f}** ({min(r):.2f} to {max(r):.2f})" if each is not base else "" for r in ratios
        ]
        yield f"| {name} | {clock:.0f} ms | {told[0]} | {processor:.0f} ms | {told[1]} |"


def overhead(dataset: str, scratch: Path, rounds: int, batches: int) -> Iterator[str]:
    """The first table: steps without and with teachers."""
    settings = {**COMMON, **SASREC}
    yield "| a step of SASRec | clock | times plain | processor | times plain |"
    yield "|---|---|---|---|---|"
    students = {"no teacher": Student(dataset, settings, 0, {}, scratch)}
    for when in ("batch", "once"):
        for k in range(1, len(NAMES) + 1):
            title = f"{k} teacher{'s' * (k > 1)}, `targets: {when}`"
            students[title] = Student(dataset, settings, k, {"targets": when}, scratch)
    yield from compared(turns(students, rounds, batches))


@click.command()
@click.option("--dataset", default=Path("../shared/data/office"), type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", default=12, show_default=True)
@click.option("--batches", default=2, show_default=True, help="Of a round.")
@click.option("--rows", default=4096, show_default=True, help="Whose probabilities are compared.")
@click.option("--only", type=click.Choice(["overhead", "lists", "ahead"]), multiple=True, help="Default: all.")
@click.option("--write", "page", type=click.Path(path_type=Path), help="Page whose tables are replaced.")
def main(dataset: Path, rounds: int, batches: int, rows: int, only: tuple[str, ...], page: Path | None) -> None:
    """Measure, and make the tables."""
    where = str(dataset.resolve())
    with tempfile.TemporaryDirectory(prefix="ckd-reading-") as folder:
        scratch = Path(folder)
        tables: dict[str, Callable[[], Iterator[str]]] = {
            "overhead": lambda: overhead(where, scratch, rounds, batches),
            "lists": lambda: list_table(where, scratch, rounds, rows),
            "ahead": lambda: ahead_table(where, scratch, rounds, batches),
        }
        for name in only or tables:
            write_table("\n".join(tables[name]()), f"reading {name}", page)


if __name__ == "__main__":
    main()
