"""What each teacher is worth by itself, and what pre-training adds: writes the tables in docs/results.md.

    python benchmarks/teachers.py --data ../shared/data --write docs/results.md

Every teacher is fine-tuned on the training interactions of a dataset with its default options, pre-trained on the
other domains or not, and ranks the whole catalogue for each user, beside a plain SASRec. Finished ones below ``--runs``
are not made again, and one that was killed goes on. Early stopping uses validation; the table alone reads the test
split.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from gain import METRICS, SETTINGS, finished
from pages import write_table

JUDGED = {key: SETTINGS[key] for key in ("metrics", "valid_metric", "topk")}


@dataclass(frozen=True)
class Row:
    """A teacher of the table."""

    title: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    pretrained: bool = False


ROWS = {
    "unisrec": Row("UniSRec", "unisrec"),
    "unisrec-pretrained": Row("UniSRec", "unisrec", pretrained=True),
    "unisrec-unfrozen": Row("UniSRec, encoder not frozen", "unisrec", {"freeze_encoder": False}, pretrained=True),
    "unisrec-text": Row("UniSRec, inductive", "unisrec", {"transductive": False}),
    "unisrec-text-pretrained": Row("UniSRec, inductive", "unisrec", {"transductive": False}, pretrained=True),
    "vqrec": Row("VQ-Rec", "vqrec"),
    "vqrec-unfrozen": Row("VQ-Rec, encoder not frozen", "vqrec", {"freeze_encoder": False}, pretrained=True),
    "unim2rec": Row("UniM2Rec, no images", "unim2rec"),
    "unim2rec-unfrozen": Row(
        "UniM2Rec, no images, encoder not frozen", "unim2rec", {"freeze_encoder": False}, pretrained=True
    ),
    "recformer": Row("Recformer", "recformer"),
}


def pretrained(name: str, domains: list[str], data: Path, runs: Path) -> Path:
    """The folder of a teacher that is pre-trained on domains, made first where it is missing."""
    from ckd_plugins.training import pretrain_teacher
    from ckd_plugins.training.progress import Console

    folder = runs / "-".join([name, *domains])
    if not (folder / "card.json").is_file():
        chosen = {"ckd": {"pretrain_domains": [str(data / domain) for domain in domains]}}
        pretrain_teacher(name, folder, None, chosen, reporter=Console(False))
    return folder


def finetuned(key: str, dataset: Path, domains: list[str], runs: Path) -> dict[str, Any]:
    """The card of a teacher that is fine-tuned on a dataset."""
    from ckd_plugins.training import finetune_teacher
    from ckd_plugins.training.progress import Console

    row, folder = ROWS[key], runs / f"{dataset.name}-{key}"
    card = folder / "card.json"
    if not card.is_file() or not json.loads(card.read_text()).get("results"):
        teacher = {"name": row.name, **row.options}
        if row.pretrained:
            teacher["from"] = str(pretrained(row.name, domains, dataset.parent, runs))
        finetune_teacher(teacher, dataset, folder, None, JUDGED, reporter=Console(False))
    return dict(json.loads(card.read_text()))


def plain(dataset: Path, runs: Path) -> dict[str, Any]:
    """The result of a plain SASRec (d = 64)."""
    from ckd_plugins import distill

    folder = runs / f"{dataset.name}-plain"
    found = finished(folder)
    return dict(found[-1]) if found else distill("SASRec", dataset, None, {**SETTINGS, "ckd": {"run_dir": str(folder)}})


def table(dataset: Path, keys: list[str], domains: list[str], runs: Path) -> Iterator[str]:
    """Markdown lines."""
    yield "| | pre-trained on | minutes | valid ndcg@10 | " + " | ".join(METRICS) + " |"
    yield "|---" * (len(METRICS) + 4) + "|"
    stock = plain(dataset, runs)
    spent = f"{stock['ckd']['seconds']['fit'] / 60:.1f}"
    base = stock["test_result"]
    yield cells("plain SASRec, d = 64", "", spent, stock["best_valid_result"]["ndcg@10"], base, {})
    for key in keys:
        card = finetuned(key, dataset, domains, runs)
        results, row = card["results"], ROWS[key]
        seconds = card["finetuning"]["epochs"][-1]["seconds"]  # since it began
        on = ", ".join(domains) if row.pretrained else ""
        yield cells(row.title, on, f"{seconds / 60:.1f}", results["validation"]["ndcg@10"], results["test"], base)


def cells(title: str, on: str, minutes: str, valid: float, test: dict[str, float], base: dict[str, float]) -> str:
    """A row of the table, with what recall@10 is above the plain student's."""
    shown = [f"{test[metric]:.4f}" for metric in METRICS]
    if base:
        shown[0] += f" ({100 * (test['recall@10'] / base['recall@10'] - 1):+.0f}%)"
    return f"| {title} | {on} | {minutes} | {valid:.4f} | {' | '.join(shown)} |"


@click.command()
@click.option("--data", default=Path("../shared/data"), type=click.Path(exists=True, path_type=Path), show_default=True)
@click.option("--dataset", "names", multiple=True, default=("scientific", "office"), show_default=True)
@click.option("--domains", default="toys,games", show_default=True, help="What teachers are pre-trained on.")
@click.option("--teacher", "keys", multiple=True, type=click.Choice(list(ROWS)), help="Default: all.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("ckd_runs/teachers"), show_default=True)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Page whose tables are replaced.")
def main(
    data: Path, names: tuple[str, ...], domains: str, keys: tuple[str, ...], runs: Path, page: Path | None
) -> None:
    """Make what is missing, and the tables."""
    for name in names:
        lines = table(data.resolve() / name, list(keys or ROWS), domains.split(","), runs.resolve())
        write_table("\n".join(lines), f"teachers {name}", page)


if __name__ == "__main__":
    main()
