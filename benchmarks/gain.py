"""Distilled over plain, on one dataset over several seeds: runs it, and writes the table in docs/results.md.

    python benchmarks/gain.py --dataset ../shared/data/office --model SASRec --teachers unisrec --seeds 2020,2021,2022

Finished runs are found by their ``result.json`` below ``--runs`` and not repeated. The test split is read by the table
only: early stopping and the teacher's choice of weights use validation.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pages import write_table

Result = Mapping[str, Any]
SETTINGS: dict[str, Any] = {
    "train_batch_size": 1024,
    "hidden_size": 64,
    "epochs": 60,
    "stopping_step": 5,
    "metrics": ["Recall", "NDCG"],
    "valid_metric": "NDCG@10",
    "topk": [10, 50],
}
DISTILLED: dict[str, Any] = {"weight": 1.0, "targets": "batch"}
"""The ``ckd`` section: by name, so that the table is of one setting whatever the defaults are."""
METRICS = ("recall@10", "ndcg@10", "recall@50", "ndcg@50")


def finished(runs: Path) -> list[Result]:
    """Results of all finished runs below a folder."""
    return [json.loads(path.read_text()) for path in sorted(runs.glob("*/result.json"))]


def find(results: Sequence[Result], model: str, dataset: str, seed: int, teachers: Sequence[str]) -> Result | None:
    """The last finished run of a setting."""
    for result in reversed(results):
        about = result["ckd"]
        same = (about["model"], about["dataset"], about["seed"]) == (model, dataset, seed)
        if same and list(about["teachers"]) == list(teachers):
            return result
    return None


def mean_and_sd(values: Sequence[float]) -> str:
    """``.0478 ± .0005``; one value alone has no deviation."""
    mean = f"{statistics.mean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def table(pairs: Sequence[tuple[Result, Result]], teachers: Sequence[str]) -> str:
    """Markdown: teachers, plain, distilled, and the paired gain over seeds."""
    rows = [(f"teacher {name}", [d["ckd"]["teachers"][name]["test_result"] for _, d in pairs]) for name in teachers] + [
        ("plain", [p["test_result"] for p, _ in pairs]),
        ("distilled", [d["test_result"] for _, d in pairs]),
    ]
    lines = ["| | " + " | ".join(METRICS) + " |", "|---" * (len(METRICS) + 1) + "|"]
    for name, results in rows:
        lines.append(f"| {name} | " + " | ".join(mean_and_sd([r[m] for r in results]) for m in METRICS) + " |")
    gains = []
    for metric in METRICS:
        each = [100 * (d["test_result"][metric] / p["test_result"][metric] - 1) for p, d in pairs]
        gains.append(f"{statistics.mean(each):+.1f}% ({min(each):+.1f} to {max(each):+.1f})")
    lines.append("| gain, seed by seed | " + " | ".join(gains) + " |")
    lines += ["", f"Seeds: {', '.join(str(p['ckd']['seed']) for p, _ in pairs)}."]
    return "\n".join(lines)


@click.command()
@click.option("--dataset", required=True, type=click.Path(path_type=Path))
@click.option("--model", default="SASRec", show_default=True)
@click.option("--teachers", default="unisrec", show_default=True)
@click.option("--seeds", default="2020,2021,2022", show_default=True)
@click.option("--runs", default="ckd_runs/gain", show_default=True, type=click.Path(path_type=Path))
@click.option("--write", "page", type=click.Path(path_type=Path), help="Page whose marked table is replaced.")
def main(dataset: Path, model: str, teachers: str, seeds: str, runs: Path, page: Path | None) -> None:
    """Run what is missing and print the table."""
    from ckd_plugins import distill
    from ckd_plugins.training.progress import Console

    names = teachers.split(",")
    pairs: list[tuple[Result, Result]] = []
    for seed in map(int, seeds.split(",")):
        pair: list[Result] = []
        for taught in ([], names):
            result = find(finished(runs), model, dataset.name, seed, taught)
            if result is None:
                settings = {**SETTINGS, "seed": seed, "ckd": {"run_dir": str(runs), **DISTILLED}}
                result = distill(model, dataset, None, settings, teachers=taught, reporter=Console())
            pair.append(result)
        pairs.append((pair[0], pair[1]))
    write_table(table(pairs, names), f"{model} {dataset.name} {teachers}", page)


if __name__ == "__main__":
    main()
