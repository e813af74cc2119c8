"""Stock RecBole beside this package, in turn and on the same machine: writes the tables in docs/performance.md.

    python3.11 -m venv stock
    stock/bin/pip install torch==2.13.0 recbole==1.2.1 numpy==1.26.4 pandas==2.3.3 scipy==1.11.4 "setuptools<81"
    python benchmarks/speed.py --stock stock/bin/python --data ../shared/data --write docs/performance.md

Stock RecBole runs unpatched, in the environment that it was written for, with the same model, data, batch and metrics.
Both sides do a round in turn, so that a busy moment of the machine hits both; a figure is the median of the rounds'
ratios. Where a stock epoch takes minutes, a few of its batches are timed and multiplied: they all have the same shapes.
Ours are timed whole. Keep the machine quiet: a second program on two cores spoils every figure.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from pages import write_table
from speed_client import Client

LEAVE_ONE_OUT = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}
COMMON: dict[str, Any] = {
    "eval_args": LEAVE_ONE_OUT,
    "metrics": ["Recall", "NDCG"],
    "valid_metric": "NDCG@10",
    "topk": [10, 50],
    "gpu_id": "",
    "seed": 2020,
}
SASREC = {"train_batch_size": 1024, "hidden_size": 64, "train_neg_sample_args": None}
IMPLICIT = {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 1, "alpha": 1.0}}
DEEPFM: dict[str, Any] = {
    **IMPLICIT,
    "threshold": None,  # RecBole makes labels of the ratings otherwise
    "load_col": {
        "inter": ["user_id", "item_id", "timestamp"],
        "item": ["item_id", "release_year", "class"],
        "user": ["user_id", "age", "gender", "occupation"],
    },
}


@dataclass(frozen=True)
class Case:
    """A row of the table: a thing that both sides do."""

    title: str
    model: str
    dataset: str
    target: float
    settings: dict[str, Any] = field(default_factory=dict)
    do: str = "epoch"
    batches: int = 0
    """Of stock; 0 is all."""
    teachers: bool = False
    """Time ours once more, distilled from three teachers."""


CASES = {
    "sasrec-office": Case("SASRec, office", "SASRec", "office", 0.08, SASREC, batches=4, teachers=True),
    "sasrec-scientific": Case("SASRec, scientific", "SASRec", "scientific", 0.08, SASREC, batches=4, teachers=True),
    "sasrec-games": Case("SASRec, games", "SASRec", "games", 0.10, SASREC, batches=4),
    "lightgcn-ml-100k": Case("LightGCN, ml-100k", "LightGCN", "ml-100k", 0.30),
    "lightgcn-games": Case("LightGCN, games", "LightGCN", "games", 0.30, batches=20),
    "deepfm-ml-100k": Case("DeepFM, ml-100k", "DeepFM", "ml-100k", 0.60, DEEPFM),
    "bpr-ml-100k": Case("BPR, ml-100k", "BPR", "ml-100k", 0.35),
    "rank-games": Case("full ranking, LightGCN, games", "LightGCN", "games", 0.10, do="evaluate"),
    "rank-pairs": Case("full ranking, DeepFM, ml-100k", "DeepFM", "ml-100k", 0.50, DEEPFM, do="evaluate"),
    "rank-sequential": Case("full ranking, SASRec, games", "SASRec", "games", 1.0, SASREC, do="evaluate", batches=3),
    "data-games": Case("data and split, SASRec, games", "SASRec", "games", 0.20, SASREC, do="data"),
    "memory-games": Case("SASRec, games", "SASRec", "games", 0.50, SASREC, do="memory", batches=8),
    "data-general": Case("data and split, LightGCN, games", "LightGCN", "games", 0.20, do="data"),
}


@dataclass(frozen=True)
class Sides:
    """How the two are started."""

    stock: str
    data: Path
    threads: int

    def open_stock(self, case: Case) -> Client:
        """Stock RecBole on a case."""
        # Stock loads every column of a file; where ours chooses, both are told.
        columns = {} if case.dataset == "ml-100k" else {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}}
        settings = {**COMMON, **columns, **case.settings, "data_path": str(self.data)}
        about = {"model": case.model, "dataset": case.dataset, "settings": settings}
        return Client(self.stock, "speed_stock.py", self.threads, **about)

    def open_own(self, case: Case, *, teachers: bool = False, ckd: dict[str, Any] | None = None) -> Client:
        """This package on a case."""
        folder = case.dataset if case.dataset == "ml-100k" else str(self.data / case.dataset)
        about = {"model": case.model, "dataset": folder, "settings": {**COMMON, **case.settings}}
        return Client(sys.executable, "speed_own.py", self.threads, **about, teachers=teachers, ckd=ckd)


@dataclass
class Figures:
    """Seconds of each round, or megabytes."""

    stock: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    distilled: list[float] = field(default_factory=list)
    course: list[float] = field(default_factory=list)
    """Twenty epochs, plain, and distilled with the curriculum from its beginning."""


def measure(case: Case, sides: Sides, rounds: int) -> Figures:
    """Do the rounds of a case; the first, in which memory is taken and caches fill, is not counted."""
    found = Figures()
    if case.do == "data":
        for _ in range(rounds):
            for seconds, start in ((found.stock, sides.open_stock), (found.own, sides.open_own)):
                with start(case) as worker:
                    seconds.append(worker.data_seconds)
        return found
    if case.do == "memory":  # a peak is the same each time
        for peaks, start, part in (
            (found.stock, sides.open_stock, {"batches": case.batches}),
            (found.own, sides.open_own, {}),
        ):
            with start(case) as worker:
                worker.do("epoch", **part)
                peaks.append(worker.do("evaluate")["peak_mb"])
        return found
    with sides.open_stock(case) as stock, sides.open_own(case) as own:
        distilled = sides.open_own(case, teachers=True) if case.teachers else None
        for number in range(rounds + 1):
            spent = [stock.do(case.do, batches=case.batches)["seconds"], own.do(case.do)["seconds"]]
            if distilled is not None:
                spent.append(distilled.do(case.do)["seconds"])
            if number:
                for seconds, value in zip((found.stock, found.own, found.distilled), spent, strict=False):
                    seconds.append(value)
        if distilled is not None:
            course = [(own.do("epoch")["seconds"], distilled.do("epoch", number=n)["seconds"]) for n in range(20)]
            found.course = [sum(column) for column in zip(*course, strict=True)]
            distilled.__exit__()
    return found


def ratio(above: list[float], below: list[float]) -> str:
    """``0.045 (0.043 to 0.048)``: the median of the rounds' ratios, and their range."""
    each = [a / b for a, b in zip(above, below, strict=True)]
    return f"**{statistics.median(each):.3f}** ({min(each):.3f} to {max(each):.3f})"


def rows_of(case: Case, found: Figures) -> Iterator[str]:
    """The table's rows of a case."""
    stock, own = statistics.median(found.stock), statistics.median(found.own)
    if case.do == "memory":
        yield f"| {case.title} | {stock:.0f} MB | {own:.0f} MB | **{own / stock:.2f}** | {case.target:.2f} |"
        return
    share = ratio(found.own, found.stock)
    yield f"| {case.title} | {stock:.2f} s | {own:.2f} s | {share} | {case.target:.2f} |"
    if found.distilled:
        spent = statistics.median(found.distilled)
        share = ratio(found.distilled, found.stock)
        yield f"| {case.title}, three teachers | {stock:.2f} s | {spent:.2f} s | {share} | 0.10 |"
        again = ratio(found.distilled, found.own)
        yield f"| {case.title}, three teachers : plain | {own:.2f} s | {spent:.2f} s | {again} | 1.10 |"
    if found.course:
        plain, taught = found.course
        share = f"**{taught / plain:.3f}**"
        title = f"{case.title}, twenty epochs, three teachers : plain"
        yield f"| {title} | {plain:.1f} s | {taught:.1f} s | {share} | 1.10 |"


@click.command()
@click.option("--stock", required=True, type=click.Path(exists=True), help="Python of RecBole's legacy environment.")
@click.option("--data", default=Path("../shared/data"), type=click.Path(exists=True, path_type=Path), show_default=True)
@click.option("--case", "names", multiple=True, type=click.Choice(list(CASES)), help="Default: all.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--results", default=Path("ckd_runs/speed.json"), type=click.Path(path_type=Path), show_default=True)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Page whose table is replaced.")
def main(
    stock: str, data: Path, names: tuple[str, ...], rounds: int, threads: int, results: Path, page: Path | None
) -> None:
    """Measure the cases, keep each one's seconds in a file, and make the table of all that the file has."""
    kept: dict[str, dict[str, list[float]]] = json.loads(results.read_text()) if results.exists() else {}
    sides = Sides(stock, data.resolve(), threads)
    for name in names or CASES:
        kept[name] = vars(measure(CASES[name], sides, rounds))
        click.echo("\n".join(rows_of(CASES[name], Figures(**kept[name]))))
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text(json.dumps(kept, indent=1))
    lines = ["| | stock RecBole | ours | ratio | goal |", "|---|---|---|---|---|"]
    for table, chosen in (("speed", lambda case: case.do != "memory"), ("memory", lambda case: case.do == "memory")):
        rows = [r for n, c in CASES.items() if n in kept and chosen(c) for r in rows_of(c, Figures(**kept[n]))]
        write_table("\n".join(lines + rows), table, page)


if __name__ == "__main__":
    main()
