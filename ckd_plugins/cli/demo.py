"""``ckd demo``: the whole path on bundled data, from teachers to a report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

__all__ = ["STUDENTS", "TARGET", "demo"]

TARGET = "comedy"
"""The domain that students learn; the other genres pre-train the teachers."""
# Small and briefly pre-trained: two teachers in a minute and a half. Chosen on the validation split.
TEACHERS: tuple[dict[str, Any], ...] = (
    {
        "name": "unisrec",
        "hidden_size": 128,
        "batch_size": 512,
        "dropout": 0.2,
        "attention_dropout": 0.2,
        "pretrain_epochs": 1,
        "freeze_encoder": False,
        "finetune_epochs": 12,
    },
    {"name": "vqrec", "batch_size": 512, "pretrain_epochs": 2, "freeze_encoder": False, "finetune_epochs": 12},
)

_LEAVE_ONE_OUT = {"split": {"LS": "valid_and_test"}, "group_by": "user", "order": "TO", "mode": "full"}
_COMMON: dict[str, Any] = {
    "eval_args": _LEAVE_ONE_OUT,
    "metrics": ["Recall", "NDCG"],
    "topk": [10],
    "valid_metric": "NDCG@10",
    "train_batch_size": 1024,
    # A whole validation in a few batches: RecBole counts this in scores, not in users.
    "eval_batch_size": 400_000,
    "stopping_step": 5,
}
STUDENTS: dict[str, dict[str, Any]] = {
    "SASRec": {
        "MAX_ITEM_LIST_LENGTH": 20,
        "n_layers": 1,
        "hidden_size": 64,
        "inner_size": 128,
        "learning_rate": 0.002,
        "epochs": 15,
    },
    # A pairwise loss is several times smaller than a softmax over the catalogue; so is the weight that suits it.
    "LightGCN": {"epochs": 40, "eval_step": 2, "learning_rate": 0.005, "embedding_size": 64, "ckd.weight": 0.1},
    "DeepFM": {
        "epochs": 20,
        "eval_step": 2,
        "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1},
        "load_col": {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "release_year", "categories"]},
        "unused_col": {"inter": ["timestamp"]},
        "ckd.weight": 0.1,
    },
}
"""A student of each family, with the settings that its plain and its distilled run share. Weights: by validation."""


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the report and the runs.")
@click.option("--students", default=",".join(STUDENTS), show_default=True, help="Which students, by commas.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def demo(out: Path | None, students: str, quiet: bool) -> None:
    """Pre-train two teachers, distil them into three students, and write a report. Takes minutes on a laptop.

    The data are MovieLens-100K from RecBole's wheel, split by main genre: the teachers are pre-trained on drama, action
    and thriller, and fine-tuned on comedy, where the students learn.
    """
    from ckd_plugins.cli.results import print_results
    from ckd_plugins.config import CkdConfig
    from ckd_plugins.domains.movielens import split_by_genre
    from ckd_plugins.errors import ConfigError, UnknownNameError
    from ckd_plugins.host.settings import find_dataset
    from ckd_plugins.study.report import check_report, write_report
    from ckd_plugins.training.entry import distill
    from ckd_plugins.training.progress import Console

    chosen = [name.strip() for name in students.split(",") if name.strip()]
    for name in chosen:
        if name not in STUDENTS:
            raise UnknownNameError("demo student", name, STUDENTS)
    if not chosen:
        raise ConfigError(f"--students names none; choose from {', '.join(STUDENTS)}")
    started = time.perf_counter()
    config = CkdConfig()
    out = out or config.run_dir / time.strftime("demo-%Y%m%d-%H%M%S")
    check_report(out / "report.html")
    reporter = Console(quiet)
    folders = split_by_genre(find_dataset("ml-100k").folder, config.cache_dir / "demo" / "v1")
    reporter.say(f"MovieLens-100K by main genre: {', '.join(folders)}; students learn {TARGET}")
    ckd = {
        "run_dir": str(out),
        "pretrain_domains": [str(path) for name, path in folders.items() if name != TARGET],
        "text": {"fields": ["title", "categories"]},
    }
    results: list[dict[str, Any]] = []
    for name in chosen:
        for teachers in ((), TEACHERS):
            settings = {**_COMMON, **STUDENTS[name], "ckd": ckd}
            results.append(distill(name, folders[TARGET], None, settings, teachers=teachers, reporter=reporter))
        if len(results) == 2:
            reporter.say(f"First distilled student after {time.perf_counter() - started:.0f} s")
    report = write_report(
        out / "report.html",
        results,
        title="MovieLens-100K comedies: two teachers, three families of students",
        summary=f"Teachers pre-trained on {', '.join(n for n in folders if n != TARGET)} and fine-tuned on {TARGET}; "
        "what they know is cached once and read by every student.",
        protocol="Leave one out, full ranking. RecBole ranks all items for sequential models and leaves out the items "
        "that the user has seen for the others, so teachers are judged in each of the two ways.",
    )
    print_results(results, ("recall@10", "ndcg@10"))
    if all(t["reused"] for r in results for t in r["ckd"]["teachers"].values()):
        click.echo("All teachers and their knowledge were reused from the cache.")
    click.echo(f"{time.perf_counter() - started:.0f} s in all. Report: {report}")
