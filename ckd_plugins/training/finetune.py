"""A teacher that is fine-tuned ahead of any student, in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ckd_plugins.config import CkdConfig, TeacherComponent, load_config
from ckd_plugins.errors import ConfigError
from ckd_plugins.registry import get_registry
from ckd_plugins.training.apart import open_data
from ckd_plugins.training.datasets import Datasets, open_dataset
from ckd_plugins.training.entry import check_run
from ckd_plugins.training.judging import judge_teacher
from ckd_plugins.training.leakage import refuse_leaks
from ckd_plugins.training.progress import Reporter, Silent
from ckd_plugins.training.teaching.card import add_results
from ckd_plugins.training.teaching.placing import check_out, make_in
from ckd_plugins.training.teaching.plan import make_plan
from ckd_plugins.training.teaching.pretraining import read_pretraining
from ckd_plugins.training.teaching.source import find_source, read_card

__all__ = ["finetune_teacher"]


def finetune_teacher(
    teacher: TeacherComponent | Mapping[str, Any] | str,
    dataset: Datasets,
    out: str | os.PathLike[str],
    config_file_list: Sequence[str | os.PathLike[str]] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    *,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Fine-tune a teacher on a dataset's training interactions, keep it, and measure it as a run would.

    Each user's last two interactions are left out, unless ``eval_args`` say otherwise. A call that was killed is
    continued by the same call.

    Args:
        teacher: name and options, as in a config; with ``from``, what :func:`pretrain_teacher` made. Without, and
            with ``ckd.pretrain_domains``, it is pre-trained first.
        dataset: as in :func:`ckd_plugins.distill`.
        out: its folder: new, empty, or holding the same teacher already.
        config_file_list: as in :func:`ckd_plugins.distill`.
        config_dict: as there.
        reporter: shows progress.

    Returns:
        ``folder``, ``reused``, ``seconds``, ``valid_result``, ``test_result`` and ``card``.

    Raises:
        CkdError: a setting, the data or the teacher does not allow it; also where the teacher was pre-trained on what
            is tested.
    """
    settings, config = load_config(config_file_list or (), config_dict)
    (teacher,) = CkdConfig.parse({"teachers": [teacher]}).teachers
    config = config.model_copy(update={"teachers": (teacher,)})
    registry, reporter, folder = get_registry(), reporter or Silent(), Path(out).expanduser()
    source = find_source(teacher)
    if source is not None and source.finetuned:
        raise ConfigError(
            f"{str(source.folder)!r} is fine-tuned already; give the pre-trained folder that it was made from"
        )
    if config.domains.teachers == "each":
        raise ConfigError(
            "ckd.domains.teachers: each makes a teacher for each domain, and this is about one teacher in one folder; "
            "leave it out, or fine-tune on one domain at a time"
        )
    check_out(folder)
    data_path = settings.pop("data_path", None)
    found = open_dataset(dataset, data_path, settings, config)
    check_run(config, registry, settings, found, data_path)
    with open_data(found, settings, config) as data:
        host, splits, material = data.host, data.splits, data.material
        pretraining = read_pretraining(config, host, data_path) if source is None else []
        refuse_leaks(splits, host, pretraining, config.teachers, registry, material.domains)
        plan = make_plan(teacher, material, pretraining, config, registry, reporter, int(host["seed"]))
        made = make_in(plan, folder, reporter)
        with plan.guarded("be tested"), reporter.task(f"test {plan.label}", 2) as advance:
            valid = judge_teacher(made.teacher, material, splits, host, "valid")
            advance(1, "")
            test = judge_teacher(made.teacher, material, splits, host)
            advance(2, "")
    add_results(made.folder, {"validation": valid, "test": test})
    return {
        "folder": str(made.folder),
        "reused": not made.seconds,
        "seconds": made.seconds,
        "valid_result": valid,
        "test_result": test,
        "card": read_card(made.folder),
    }
