"""``ckd teacher pretrain`` and ``finetune``: teachers in folders of the user's choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from ckd_plugins.cli.json_output import json_option, print_json
from ckd_plugins.errors import ConfigError, did_you_mean

__all__ = ["finetune", "metrics", "pretrain"]

_DATA = (
    *("seed", "data_path", "USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD", "field_separator", "seq_separator"),
    *("load_col", "unload_col", "val_interval", "user_inter_num_interval", "item_inter_num_interval"),
    *("filter_inter_by_user_or_item", "rm_dup_inter", "benchmark_filename", "eval_args", "metrics", "topk"),
    *("valid_metric", "eval_batch_size", "gpu_id", "use_gpu"),
)
"""RecBole's settings that matter where there is no student."""


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--out", "-o", required=True, type=click.Path(path_type=Path), help="The teacher's folder."),
        click.option("--config", "-c", "files", multiple=True, type=click.Path(), help="YAML with a ckd: section."),
        click.option(
            *("--set", "-s", "settings"),
            multiple=True,
            metavar="OPTION=VALUE",
            help="An option of the teacher, or a setting of the data: hidden_size=64, seed=1, ckd.text.encoder=folder.",
        ),
        json_option("Print the result as JSON."),
        click.option("--quiet", "-q", is_flag=True, help="Show no progress."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("pretrain")
@click.argument("name")
@click.option("--domains", "-p", default=None, help="Datasets, folders or names below data_path, by commas.")
@_common
def pretrain(
    name: str,
    domains: str | None,
    out: Path,
    files: tuple[str, ...],
    settings: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Pre-train the teacher NAME on datasets, all their interactions, and keep it in a folder.

    The folder can be fine-tuned, or named as a teacher of a run. The same command continues one that was killed.
    """
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.training.pretrain import pretrain_teacher
    from ckd_plugins.training.progress import Console

    given: dict[str, Any] = {}
    if domains is not None:
        given["ckd.pretrain_domains"] = domains
    teacher, given = _teacher(name, files, settings, given)
    made = pretrain_teacher(teacher, out, files, given, reporter=Console(quiet))
    if as_json:
        print_json(made)
        return
    told = made["card"]["pretraining"]
    loss = f"{told['epochs'][told['best_epoch'] - 1]['loss']:.4f}"
    names = ", ".join(domain["name"] for domain in told["domains"])
    row = (teacher.label, _made_in(made), names, str(told["best_epoch"]), loss, made["folder"])
    print_table(("teacher", "made in", "domains", "epoch", "loss", "folder"), [row])


@click.command("finetune")
@click.argument("teacher", metavar="NAME|DIR")
@click.option("--dataset", "-d", required=True, help="Folder of a dataset, or its name below data_path.")
@click.option(
    "--from", "source", type=click.Path(path_type=Path), help="Folder that 'ckd teacher pretrain' wrote, to start from."
)
@_common
def finetune(
    teacher: str,
    dataset: str,
    source: Path | None,
    out: Path,
    files: tuple[str, ...],
    settings: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Fine-tune a teacher on a dataset's training interactions, and keep it in a folder.

    NAME begins from nothing, or from --from; DIR is short for the latter. The split is that of a run (each user's last
    two interactions left out, unless eval_args say otherwise), and validation and test are measured as a run does. The
    same command continues one that was killed.
    """
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.training.finetune import finetune_teacher
    from ckd_plugins.training.progress import Console

    component, given = _teacher(teacher, files, settings, {}, source)
    made = finetune_teacher(component, dataset, out, files, given, reporter=Console(quiet))
    if as_json:
        print_json(made)
        return
    row = (component.label, _made_in(made), metrics(made["valid_result"]), metrics(made["test_result"]), made["folder"])
    print_table(("teacher", "made in", "validation", "test", "folder"), [row])


def metrics(result: Mapping[str, float] | None) -> str:
    """``recall@10 0.1000, ndcg@10 0.0500``."""
    return ", ".join(f"{metric} {value:.4f}" for metric, value in (result or {}).items())


def _made_in(made: Mapping[str, Any]) -> str:
    return "reused" if made["reused"] else f"{sum(made['seconds'].values()):.1f} s"


def _teacher(
    name: str, files: tuple[str, ...], settings: tuple[str, ...], above: Mapping[str, Any], source: Path | None = None
) -> tuple[Any, dict[str, Any]]:
    """The teacher with its options, and the settings that are left.

    Options come from the config files' entry of that label, or else of that name, then from the name
    (``unisrec:hidden_size=64``), then from ``--set``.
    """
    from ckd_plugins._options import read_options
    from ckd_plugins.cli.distill import read_settings
    from ckd_plugins.config import CkdConfig, load_config
    from ckd_plugins.registry import get_registry
    from ckd_plugins.training.teaching.source import HOST

    registry, given = get_registry(), {**read_settings(settings), **above}
    if name not in registry.names("teacher") and (Path(name) / "config.json").is_file():
        name = str(Path(name).absolute())
    (teacher,) = CkdConfig.parse({"teachers": [name]}).teachers
    _, config = load_config(files, {key: value for key, value in given.items() if key.startswith("ckd")})
    entries = [t for t in config.teachers if t.label == teacher.name]
    entries += [t for t in config.teachers if t.name == teacher.name]
    if entries and teacher.name not in registry.names("teacher"):
        teacher = teacher.model_copy(update={"name": entries[0].name, "source": entries[0].source})
    if source is not None:
        if teacher.source is not None:
            raise ConfigError(f"{str(teacher.source)!r} is a folder to start from, and so is --from; give one of them")
        teacher = teacher.model_copy(update={"source": source.expanduser()})
    takes = read_options(registry.record("teacher", teacher.name).load())
    options = {key: given.pop(key) for key in list(given) if key in takes.parameters and key not in HOST}
    for key in given:
        if key not in _DATA and key != "ckd" and not key.startswith("ckd."):
            known = [*(p for p in takes.parameters if p not in HOST), *_DATA]
            raise ConfigError(
                f"--set: {key!r} is no option of teacher {teacher.name!r} and no setting of the data"
                f"{did_you_mean(key, known)} (options: {takes.describe(HOST)})"
            )
    below = entries[0].options if entries else {}
    return teacher.model_copy(update={"options": {**below, **teacher.options, **options}}), given
