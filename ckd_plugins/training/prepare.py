"""Teachers trained and asked ahead of any student."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ckd_plugins.config import load_config
from ckd_plugins.errors import ConfigError
from ckd_plugins.registry import get_registry
from ckd_plugins.training.apart import open_data
from ckd_plugins.training.asking import Crew
from ckd_plugins.training.datasets import Datasets, open_dataset
from ckd_plugins.training.entry import check_run
from ckd_plugins.training.judging import judge_in_slices
from ckd_plugins.training.leakage import refuse_leaks
from ckd_plugins.training.progress import Reporter, Silent, heard
from ckd_plugins.training.teaching import read_pretraining, teach

__all__ = ["prepare_teachers"]


def prepare_teachers(
    dataset: Datasets,
    config_file_list: Sequence[str | os.PathLike[str]] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    *,
    reporter: Reporter | None = None,
    crew: Crew | None = None,
) -> dict[str, dict[str, Any]]:
    """Pre-train, fine-tune and cache the teachers of a config, so that students find them.

    The data are split by leaving each user's last two interactions out; a student with another split, filter or seed
    trains teachers of its own.

    Args:
        dataset: as in :func:`ckd_plugins.distill`.
        config_file_list: as there.
        config_dict: as there.
        reporter: shows progress.
        crew: asks the teachers once they are trained, see :mod:`ckd_plugins.training.asking`; by default this process.

    Returns:
        By the teacher's label: ``folder``, ``store``, ``reused``, ``seconds`` by stage, ``instances``,
        ``valid_result`` and ``test_result``.

    Raises:
        CkdError: as in :func:`ckd_plugins.distill`.
    """
    settings, config = load_config(config_file_list or (), config_dict)
    if not config.teachers:
        raise ConfigError("no teacher is named; give at least one")
    registry, reporter = get_registry(), reporter or Silent()
    data_path = settings.pop("data_path", None)
    found = open_dataset(dataset, data_path, settings, config)
    check_run(config, registry, settings, found, data_path)
    with heard(reporter), open_data(found, settings, config) as data:
        host, splits, material = data.host, data.splits, data.material
        pretraining = read_pretraining(config, host, data_path)
        refuse_leaks(splits, host, pretraining, config.teachers, registry, material.domains)
        prepared: dict[str, dict[str, Any]] = {}
        # Every byte: a run opens a large store without, and whoever was told of damage comes here to mend it.
        seed = int(host["seed"])
        taught = teach(config.teachers, material, pretraining, config, registry, reporter, seed, verify=True, crew=crew)
        for one in taught:
            prepared[one.name] = {
                "folder": str(one.folder),
                "store": str(one.store),
                "reused": one.reused,
                "seconds": one.seconds,
                "instances": len(material.instances),
                "valid_result": judge_in_slices(one, material, splits, host, "valid")[0],
                "test_result": judge_in_slices(one, material, splits, host)[0],
            }
    return prepared
