"""Speed-ups that cannot be exact, judged over seeds: rows of like length in a batch, and other dropout masks.

    python benchmarks/noise.py --dataset ../shared/data/office --write docs/performance.md

Plain SASRec with every speed-up, and with one switched off, for the same seeds. The two runs of a seed draw other
random numbers, as two seeds do; a difference that is none lies within the interval. Finished runs below ``--runs`` are
not repeated.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from gain import finished, mean_and_sd
from pages import write_table
from speed import COMMON, SASREC

WITHOUT = ("bucket", "dropout")
STUDENT_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Two-sided 95% of Student's t for the mean of so many differences."""


def run(dataset: Path, seed: int, epochs: int, off: str | None, runs: Path) -> dict[str, Any]:
    """A plain run's result, found or made."""
    from ckd_plugins import distill

    speed = {off: False} if off else {}
    folder = runs / f"{dataset.name}-{epochs}-{off or 'all'}-{seed}"
    found = finished(folder)
    if found:
        return dict(found[-1])
    settings = {
        **COMMON,
        **SASREC,
        "MAX_ITEM_LIST_LENGTH": 20,
        "epochs": epochs,
        "stopping_step": epochs,
        "seed": seed,
        "ckd": {"run_dir": str(folder), "speed": speed},
    }
    return distill("SASRec", dataset, None, settings)


def difference(a: Sequence[float], b: Sequence[float]) -> str:
    """``+0.0003 [-0.0010, 0.0016]``: mean of the paired differences and its 95% interval."""
    each = [x - y for x, y in zip(a, b, strict=True)]
    half = STUDENT_T[len(each)] * statistics.stdev(each) / math.sqrt(len(each))
    mean = statistics.mean(each)
    return f"{mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]"


@click.command()
@click.option("--dataset", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--seeds", default="2020,2021,2022,2023,2024", show_default=True)
@click.option("--epochs", default=12, show_default=True)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("ckd_runs/noise"), show_default=True)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Page whose table is replaced.")
def main(dataset: Path, seeds: str, epochs: int, runs: Path, page: Path | None) -> None:
    """Run what is missing and make the table."""
    scores: dict[str | None, list[list[float]]] = {off: [] for off in (None, *WITHOUT)}
    for seed in map(int, seeds.split(",")):
        for off, found in scores.items():
            result = run(dataset, seed, epochs, off, runs)
            found.append([result["best_valid_score"], result["test_result"]["ndcg@10"]])
    lines = [
        "| SASRec | valid NDCG@10 | test NDCG@10 | with it more, valid | test |",
        "|---|---|---|---|---|",
    ]
    valid, test = (list(column) for column in zip(*scores[None], strict=True))
    lines.append(f"| all speed-ups | {mean_and_sd(valid)} | {mean_and_sd(test)} | | |")
    for off in WITHOUT:
        v, t = (list(column) for column in zip(*scores[off], strict=True))
        cells = (f"without `{off}`", mean_and_sd(v), mean_and_sd(t), difference(valid, v), difference(test, t))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"{dataset.name}, {epochs} epochs, histories of at most 20. Seeds: {seeds.replace(',', ', ')}."]
    write_table("\n".join(lines), "noise", page)


if __name__ == "__main__":
    main()
