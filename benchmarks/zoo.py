"""Students of our own beside RecBole's, side by side: seconds an epoch, and seconds to a given validation NDCG.

    python benchmarks/zoo.py epochs --dataset ml-100k --dataset ../shared/data/games --write docs/zoo.md
    python benchmarks/zoo.py reach --dataset ../shared/data/office --write docs/zoo.md

``epochs`` trains RecBole's LightGCN as stock RecBole does (its loaders untouched) and ours in turn, in one process, and
takes the median of the ratios. ``reach`` trains sequential models with one target a row and with all positions at once,
both through this package with early stopping, and asks how long each trained until validation first reached 95% of the
best that one target a row reaches. The test split is read once, with each model's best weights.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from gain import find, finished
from pages import write_table

from ckd_plugins import distill
from ckd_plugins.config import Speed
from ckd_plugins.host.data import load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.models import build_model
from ckd_plugins.host.settings import build_config, find_dataset
from ckd_plugins.host.trainer import build_trainer, close_trainer
from ckd_plugins.registry import get_registry
from ckd_plugins.training.subscribe import subscribe

LEAVE_ONE_OUT = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}
COMMON: dict[str, Any] = {
    "eval_args": LEAVE_ONE_OUT,
    "metrics": ["Recall", "NDCG"],
    "valid_metric": "NDCG@10",
    "topk": [10],
    "gpu_id": "",
}


class Epochs:
    """A model whose epochs can be timed one by one."""

    def __init__(self, name: str, dataset: str, seed: int, folder: Path, *, stock: bool) -> None:
        student = subscribe(name, get_registry())
        config = build_config(
            student.model, find_dataset(dataset), {**COMMON, "seed": seed}, folder, defaults=student.defaults
        )
        self.splits = load_splits(config, Speed(arrays=not stock, dataset=not stock))
        self.trainer = build_trainer(config, build_model(config, self.splits), folder, [])
        self.done = 0
        self.drawn = np.random.get_state(), torch.random.get_rng_state()

    def one(self) -> float:
        """Train an epoch with random numbers of its own, whoever trains in between; seconds."""
        np.random.set_state(self.drawn[0])
        torch.random.set_rng_state(self.drawn[1])
        started = time.perf_counter()
        self.trainer._train_epoch(self.splits.train, self.done)
        spent = time.perf_counter() - started
        self.done += 1
        self.drawn = np.random.get_state(), torch.random.get_rng_state()
        return spent

    def valid(self) -> float:
        """Validation NDCG@10."""
        self.trainer.model.eval()
        for cache in ("restore_user_e", "restore_item_e"):
            setattr(self.trainer.model, cache, None)
        return float(self.trainer.evaluate(self.splits.valid, load_best_model=False)["ndcg@10"])


def epoch_rows(dataset: str, seeds: Sequence[int], epochs: int) -> list[str]:
    """A row a model: seconds of an epoch, how many times RecBole's as it is, and validation after all epochs."""
    kinds = {
        "RecBole's LightGCN": ("LightGCN", True),
        "the same, loaders by arrays": ("LightGCN", False),
        "LightGCNPyG": ("LightGCNPyG", False),
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    scores: dict[str, list[float]] = {kind: [] for kind in kinds}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as scratch, recbole_log(Path(scratch)):
            models = {
                kind: Epochs(name, dataset, seed, Path(scratch, str(at)), stock=stock)
                for at, (kind, (name, stock)) in enumerate(kinds.items())
            }
            for _ in range(epochs):  # in turn, so that a busy moment of the machine hits all
                for kind, model in models.items():
                    seconds[kind].append(model.one())
            for kind, model in models.items():
                scores[kind].append(model.valid())
                close_trainer(model.trainer)
    first = seconds["RecBole's LightGCN"]
    rows = []
    for kind, spent in seconds.items():
        ratios = [a / b for a, b in zip(first, spent, strict=True)]
        faster = f"**{statistics.median(ratios):.1f}x** ({min(ratios):.1f} to {max(ratios):.1f})"
        cells = (kind, f"{statistics.median(spent):.2f} s", faster if spent is not first else "", _mean(scores[kind]))
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _mean(values: Any) -> str:
    found = list(values)
    spread = f" ± {statistics.stdev(found):.4f}" if len(found) > 1 else ""
    return f"{statistics.mean(found):.4f}{spread}"


def curve(name: str, dataset: str, seed: int, settings: dict[str, Any], runs: Path) -> dict[str, Any]:
    """A plain run's validation by seconds of training; a finished run below ``runs`` is not repeated."""
    given = {**COMMON, "seed": seed, "epochs": 200, "stopping_step": 10, **settings, "ckd": {"run_dir": str(runs)}}
    result = find(finished(runs), name, Path(dataset).name, seed, ()) or distill(name, dataset, None, given)
    spent, points = 0.0, []
    for epoch in result["ckd"]["history"]:
        spent += epoch["seconds"]
        if "valid_score" in epoch:
            points.append((spent, epoch["valid_score"]))
    return {"points": points, "best": result["best_valid_score"], "test": result["test_result"]["ndcg@10"]}


def seconds_to(points: Sequence[tuple[float, float]], score: float) -> float | None:
    """Seconds of training until validation first reached a score, or ``None`` if it never did."""
    return next((seconds for seconds, found in points if found >= score), None)


def reach_rows(seed: int, theirs: str, base: dict[str, Any], ours: str, zoo: dict[str, Any]) -> list[str]:
    """Two rows of the table: when each model first reached 95% of the first one's best validation."""
    goal = 0.95 * base["best"]
    needed = seconds_to(base["points"], goal)
    rows = []
    for name, found in ((theirs, base), (ours, zoo)):
        spent = seconds_to(found["points"], goal)
        ratio = "" if spent is None or needed is None or name == theirs else f"**{needed / spent:.1f}x**"
        when = "never" if spent is None else f"{spent:.0f} s"
        whole = f"{found['points'][-1][0]:.0f} s"
        cells = (str(seed), name, f"{found['best']:.4f}", f"{found['test']:.4f}", whole, when, ratio)
        rows.append(f"| {' | '.join(cells)} |")
    return rows


@click.group()
def main() -> None:
    """Compare the students of our own with RecBole's."""


@main.command()
@click.option("--dataset", "datasets", multiple=True, required=True)
@click.option("--seeds", default="2020,2021,2022,2023,2024")
@click.option("--epochs", default=5, show_default=True)
@click.option("--write", type=click.Path(path_type=Path), help="Page whose table is replaced.")
def epochs(datasets: tuple[str, ...], seeds: str, epochs: int, write: Path | None) -> None:
    """Time an epoch of LightGCN, RecBole's and ours."""
    for dataset in datasets:
        lines = ["| model | epoch | faster | valid NDCG@10 |", "|---|---|---|---|"]
        lines += epoch_rows(dataset, [int(s) for s in seeds.split(",")], epochs)
        lines += ["", f"Validation after {epochs} epochs. Seeds: {seeds.replace(',', ', ')}."]
        write_table("\n".join(lines), f"lightgcn {Path(dataset).name}", write)


@main.command()
@click.option("--dataset", required=True)
@click.option("--pair", "pairs", multiple=True, default=("SASRec:SASRecPlus", "GRU4Rec:GRU4RecPlus"))
@click.option("--seeds", default="2020,2021,2022")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("ckd_runs/zoo"))
@click.option("--write", type=click.Path(path_type=Path), help="Page whose table is replaced.")
def reach(dataset: str, pairs: tuple[str, ...], seeds: str, runs: Path, write: Path | None) -> None:
    """Time how long training takes to the best validation that one target a row reaches."""
    lines = [
        "| seed | model | best valid NDCG@10 | test NDCG@10 | training | to the goal | faster |",
        "|---|---|---|---|---|---|---|",
    ]
    for pair in pairs:
        theirs, ours = pair.split(":")
        for seed in (int(s) for s in seeds.split(",")):
            base = curve(theirs, dataset, seed, {"train_batch_size": 1024}, runs)
            zoo = curve(ours, dataset, seed, {}, runs)
            lines += reach_rows(seed, theirs, base, ours, zoo)
            click.echo("\n".join(lines[-2:]))
    write_table("\n".join(lines), f"reach {Path(dataset).name}", write)


if __name__ == "__main__":
    main()
