"""``ckd teacher``: teachers, made ahead of their students and looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ckd_plugins.cli.json_output import json_option, print_json
from ckd_plugins.cli.teacher_show import list_teachers, show
from ckd_plugins.cli.teacher_training import finetune, metrics, pretrain
from ckd_plugins.errors import ConfigError

__all__ = ["teacher"]


@click.group()
def teacher() -> None:
    """Train teachers ahead of their students, and show what is known of them."""


@teacher.command("cache")
@click.argument("names", required=False)
@click.option("--dataset", "-d", help="Folder of a dataset, or its name below data_path.")
@click.option("--pretrain", "-p", default=None, help="Datasets to pre-train on, by commas.")
@click.option("--config", "-c", "files", multiple=True, type=click.Path(), help="RecBole YAML with a ckd: section.")
@click.option(
    "--set", "-s", "settings", multiple=True, metavar="KEY=VALUE", help="A setting: seed=1, ckd.text.encoder=folder."
)
@click.option("--verify", is_flag=True, help="Check every byte of what is cached; NAMES and --dataset narrow it down.")
@click.option(
    "--export", "exported", type=click.Path(path_type=Path), help="Write NAMES' store as a Parquet file, too."
)
@click.option(
    "--import", "imported", type=click.Path(path_type=Path), help="Put the store of such a file into the cache."
)
@click.option("--workers", "-w", type=click.IntRange(1), help="Processes of this machine that ask the teachers.")
@click.option(
    "--ray",
    "cluster",
    is_flag=False,
    flag_value="",
    metavar="[ADDRESS]",
    help="Ask on a Ray cluster, by default one that runs here or a new one.",
)
@json_option("Print the result as JSON.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
def cache(
    names: str | None,
    dataset: str | None,
    pretrain: str | None,
    files: tuple[str, ...],
    settings: tuple[str, ...],
    verify: bool,
    exported: Path | None,
    imported: Path | None,
    workers: int | None,
    cluster: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train the teachers NAMES (by commas) on a dataset, ask them about every train instance, and keep both.

    They are trained once, by one process, and then asked by as many as you say: --workers on this machine, those of
    'torchrun -m ckd_plugins teacher cache ...', or a --ray cluster. What is stored is the same.
    """
    from ckd_plugins.cli.distill import read_settings
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.cli.teacher_crew import asked_by
    from ckd_plugins.cli.teacher_stores import check_export, export_to, import_from, verify_stores
    from ckd_plugins.config import load_config
    from ckd_plugins.training.prepare import prepare_teachers
    from ckd_plugins.training.progress import Console

    given: dict[str, Any] = read_settings(settings)
    if sum((verify, exported is not None, imported is not None)) > 1:
        raise ConfigError("--verify, --export and --import are three different things; give one of them")
    if verify or imported is not None:
        if workers is not None or cluster is not None:
            raise ConfigError("--verify and --import ask no teacher; leave --workers and --ray away")
        _, config = load_config(files, {key: value for key, value in given.items() if key.startswith("ckd")})
        stores = config.cache_dir / "signals"
        if imported is None:
            verify_stores(stores, names, dataset, as_json)
        elif names is None and dataset is None:
            import_from(imported, stores, as_json)
        else:
            raise ConfigError("--import takes its teacher and dataset from the file; name neither")
        return
    if names is None or dataset is None:
        raise ConfigError("name the teachers and their --dataset, or give --verify or --import")
    given["ckd.teachers"] = names
    if exported is not None:
        check_export(exported, files, given)
    if pretrain is not None:
        given["ckd.pretrain_domains"] = pretrain
    with asked_by(workers, cluster) as crew:
        if crew is None:
            return
        prepared = prepare_teachers(dataset, files, given, reporter=Console(quiet), crew=crew)
    if exported is not None:
        export_to(exported, prepared)
    if as_json:
        print_json(prepared)
        return
    rows = [
        (
            name,
            "reused" if about["reused"] else f"{sum(about['seconds'].values()):.1f} s",
            metrics(about["valid_result"]),
            metrics(about["test_result"]),
            about["store"],
        )
        for name, about in prepared.items()
    ]
    print_table(("teacher", "made in", "validation", "test", "store"), rows)


for command in (pretrain, finetune, list_teachers, show):
    teacher.add_command(command)
