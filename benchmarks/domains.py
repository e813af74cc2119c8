"""One student for several domains against one a domain, with and without teachers: writes the table in docs/results.md.

    python benchmarks/domains.py --dataset ../shared/data/office --dataset ../shared/data/scientific \
        --pretrained vqrec-toys-games --write docs/results.md

Each domain has a teacher of its own, fine-tuned on its training interactions and asked about nothing else, in all runs
the same ones; with ``--pretrained``, a folder of ``ckd teacher pretrain``, there are rows with teachers that begin from
it, too. Held-out items are ranked among those of their domain. Finished runs below ``--runs`` are not repeated;
early stopping goes by validation, and the table alone reads the test split.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from gain import SETTINGS
from pages import write_table

FASTER: dict[str, Any] = {"learning_rate": 2e-3, "stopping_step": 3}
"""Twice SASRec's rate, so that a run on two domains takes minutes; the same for all rows."""

ROWS = {
    "each, plain": ("each", "none"),
    "one, plain": ("one", "none"),
    "each, distilled": ("each", "fine-tuned"),
    "one, distilled": ("one", "fine-tuned"),
    "each, distilled, pre-trained": ("each", "pre-trained"),
    "one, distilled, pre-trained": ("one", "pre-trained"),
}
"""Title -> students, teachers."""
Slices = Mapping[str, Any]


@dataclass(frozen=True)
class Teaching:
    """Who teaches, and how heavily."""

    name: str
    weight: float
    pretrained: Path | None
    """A folder of ``ckd teacher pretrain``."""

    @property
    def rows(self) -> list[str]:
        """Titles of the rows that there are."""
        return [title for title, (_, kind) in ROWS.items() if kind != "pre-trained" or self.pretrained is not None]

    def teachers(self, kind: str) -> list[Any] | None:
        """What ``distill`` takes."""
        if kind == "none":
            return None
        if kind == "fine-tuned":
            return [self.name]
        # UniSRec whose encoder stays frozen is worse by validation on both targets (docs/results.md).
        return [{"name": self.name, "from": str(self.pretrained), "freeze_encoder": False}]


def result_of(
    title: str, datasets: Sequence[Path], model: str, teaching: Teaching, seed: int, runs: Path
) -> dict[str, Any]:
    """A row's result with a seed, made first where it is missing."""
    from ckd_plugins import distill
    from ckd_plugins.training.progress import Console

    students, kind = ROWS[title]
    taught = [] if kind == "none" else [f"{teaching.name}-{teaching.weight:g}"]
    if kind == "pre-trained" and teaching.pretrained is not None:
        taught.append(teaching.pretrained.name)  # another folder is another run
    name = "-".join([model, title.replace(", ", "-"), *taught, str(seed)])
    folder = runs / "+".join(one.name for one in datasets) / name
    found = sorted(folder.glob("*/result.json"))
    if found:
        return dict(json.loads(found[-1].read_text()))
    section = {
        "run_dir": str(folder),
        "weight": teaching.weight,
        "candidates": {"name": "in_batch", "limit": None},
        "domains": {"students": students, "teachers": "each"},
    }
    teachers = teaching.teachers(kind)
    settings = {**SETTINGS, **FASTER, "seed": seed, "ckd": section}
    return distill(model, [*datasets], None, settings, teachers=teachers, reporter=Console(False))


def parts(slices: Slices, metric: str) -> dict[str, float]:
    """A metric by slice: all users, the mean of the domains, each domain, and the rest."""
    found = {"all users": slices["all"][metric], "mean of domains": slices["macro"][metric]}
    found |= {name: one[metric] for name, one in slices["domains"].items()}
    for name in ("cold_items", "short_histories"):
        if name in slices:
            found[name.replace("_", " ")] = slices[name][metric]
    return found


def table(results: Mapping[str, Sequence[dict[str, Any]]], metric: str) -> Iterator[str]:
    """Markdown lines: a row a way of training, means over its seeds, and the teacher's below."""
    shown: dict[str, list[dict[str, float]]] = {
        title: [parts(result["ckd"]["slices"], metric) for result in found] for title, found in results.items()
    }
    for title, found in results.items():
        students, kind = ROWS[title]
        if students == "one":
            begun = ", pre-trained" if kind == "pre-trained" else ""
            for label, teacher in found[0]["ckd"]["teachers"].items():
                shown[f"teacher {label}, one a domain{begun}"] = [parts(teacher["slices"], metric)]
    heads = list(dict.fromkeys(name for rows in shown.values() for name in rows[0]))
    yield f"| {metric} | seeds | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 2) + "|"
    for title, rows in shown.items():
        values = [statistics.mean(row[head] for row in rows) if head in rows[0] else None for head in heads]
        yield f"| {title} | {len(rows)} | " + " | ".join("" if v is None else f"{v:.4f}" for v in values) + " |"


@click.command()
@click.option("--dataset", "datasets", multiple=True, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="SASRec", show_default=True)
@click.option("--teacher", default="vqrec", show_default=True)
@click.option(
    "--pretrained", type=click.Path(exists=True, path_type=Path), help="Folder of the teacher after pre-training."
)
@click.option("--weight", default=1.0, show_default=True, help="Of the distillation loss.")
@click.option("--seeds", default="2020", show_default=True, help="By commas.")
@click.option("--runs", default=Path("ckd_runs/domains"), show_default=True, type=click.Path(path_type=Path))
@click.option("--write", "page", type=click.Path(path_type=Path), help="Page whose table is replaced.")
def main(
    datasets: tuple[Path, ...], model: str, teacher: str, pretrained: Path | None, weight: float, seeds: str,
    runs: Path, page: Path | None,
) -> None:  # fmt: skip
    """Run what is missing and print the tables."""
    folders = [dataset.resolve() for dataset in datasets]
    if len(folders) < 2:
        raise click.UsageError("name two domains or more, each with --dataset")
    teaching = Teaching(teacher, weight, pretrained and pretrained.resolve())
    results = {
        title: [result_of(title, folders, model, teaching, int(seed), runs.resolve()) for seed in seeds.split(",")]
        for title in teaching.rows
    }
    name = "+".join(folder.name for folder in folders)
    for metric in ("ndcg@10", "recall@10"):
        write_table("\n".join(table(results, metric)), f"domains {model} {name} {metric}", page)


if __name__ == "__main__":
    main()
