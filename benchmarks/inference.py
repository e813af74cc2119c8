"""A distilled student beside its teachers: seconds to rank the catalogue for the same users.

    python benchmarks/inference.py --dataset ../shared/data/office --write docs/performance.md

Each ranks every test user's items by the same evaluator, one after the other, a teacher's vectors of items and
histories included. What the weights are worth does not matter here, so that teachers are trained for an epoch and the
student not at all: its passes cost the same.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import click
from pages import write_table
from speed import COMMON, SASREC
from speed_client import Client
from speed_own import TEACHERS


@click.command()
@click.option("--dataset", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", default=5, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Page whose table is replaced.")
def main(dataset: Path, rounds: int, threads: int, page: Path | None) -> None:
    """Do the rounds and make the table."""
    about = {"model": "SASRec", "dataset": str(dataset), "settings": {**COMMON, **SASREC}, "teachers": True}
    spent: dict[str, list[float]] = {}
    with Client(sys.executable, "speed_own.py", threads, **about) as worker:
        sizes = worker.do("sizes")["metrics"]
        for _ in range(rounds + 1):  # the first fills caches
            spent.setdefault("SASRec, distilled", []).append(worker.do("test")["seconds"])
            for teacher in TEACHERS:
                seconds = worker.do("test_teacher", name=teacher["name"])["seconds"]
                spent.setdefault(teacher["name"], []).append(seconds)
    student = spent["SASRec, distilled"][1:]
    lines = ["| | parameters | seconds | times the student's |", "|---|---|---|---|"]
    for name, seconds in spent.items():
        each = [a / b for a, b in zip(seconds[1:], student, strict=True)]
        size = f"{sizes[name]:,.0f}" if name in sizes else ""
        lines.append(f"| {name} | {size} | {statistics.median(seconds[1:]):.2f} s | {statistics.median(each):.1f} |")
    write_table("\n".join(lines), f"inference {dataset.name}", page)


if __name__ == "__main__":
    main()
