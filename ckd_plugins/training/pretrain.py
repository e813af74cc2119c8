"""A teacher that is pre-trained, and no more: to be fine-tuned in many runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ckd_plugins.config import CkdConfig, TeacherComponent, load_config
from ckd_plugins.errors import ConfigError
from ckd_plugins.registry import get_registry
from ckd_plugins.training.progress import Reporter, Silent
from ckd_plugins.training.teaching.checks import check_teachers
from ckd_plugins.training.teaching.placing import check_out, make_in
from ckd_plugins.training.teaching.plan import make_plan
from ckd_plugins.training.teaching.pretraining import read_pretraining
from ckd_plugins.training.teaching.source import read_card

__all__ = ["pretrain_teacher"]

_FIELDS = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "TIME_FIELD": "timestamp"}
_SEED = 2020  # RecBole's


def pretrain_teacher(
    teacher: TeacherComponent | Mapping[str, Any] | str,
    out: str | os.PathLike[str],
    config_file_list: Sequence[str | os.PathLike[str]] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    *,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Pre-train a teacher on the datasets in ``ckd.pretrain_domains``, all their interactions, and keep it.

    A call that was killed is continued by the same call.

    Args:
        teacher: name and options, as in a config.
        out: its folder: new, empty, or holding the same teacher already.
        config_file_list: RecBole YAML files with a ``ckd:`` section.
        config_dict: settings above the files. ``seed``, ``data_path`` and names of fields are read besides ``ckd``.
        reporter: shows progress.

    Returns:
        ``folder``, ``reused``, ``seconds`` and ``card``.

    Raises:
        CkdError: a setting, the data or the teacher does not allow it.
    """
    settings, config = load_config(config_file_list or (), config_dict)
    registry, reporter, folder = get_registry(), reporter or Silent(), Path(out).expanduser()
    (teacher,) = CkdConfig.parse({"teachers": [teacher]}).teachers
    if teacher.source is not None:
        raise ConfigError(f"{str(teacher.source)!r} is trained already; name a teacher to pre-train from nothing")
    if not config.pretrain_domains:
        raise ConfigError("no domain is named to pre-train on; give --domains or ckd.pretrain_domains")
    registry.get("teacher", teacher.name)
    check_out(folder)
    domains = read_pretraining(
        config, {**_FIELDS, **{k: settings[k] for k in _FIELDS if k in settings}}, settings.get("data_path")
    )
    for domain in domains:
        check_teachers(config, registry, any(domain.text), domain.name, [teacher])
    seed = settings.get("seed", _SEED)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(f"seed must be a whole number of at least 0, not {seed!r}")
    made = make_in(make_plan(teacher, None, domains, config, registry, reporter, seed), folder, reporter)
    return {
        "folder": str(made.folder),
        "reused": not made.seconds,
        "seconds": made.seconds,
        "card": read_card(made.folder),
    }
