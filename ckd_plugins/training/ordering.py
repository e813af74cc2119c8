"""The order in which a student meets its training rows: by difficulty, by length, or as RecBole has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd_plugins.config import CkdConfig
from ckd_plugins.curriculum.memory import LossMemory
from ckd_plugins.curriculum.sampler import CurriculumSampler
from ckd_plugins.distillation.soft_targets import SoftTargets
from ckd_plugins.errors import ConfigError
from ckd_plugins.host.data import Splits
from ckd_plugins.host.loaders import row_lengths, rows_a_batch, set_row_order, trim_batches
from ckd_plugins.registry import Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.training.material import Material
from ckd_plugins.training.measuring import Difficulty, changing

__all__ = ["check_order", "order_rows"]


def check_order(model: Any, material: Material, config: CkdConfig) -> None:
    """Find out before teachers are trained whether a curriculum applies.

    Raises:
        ConfigError: the model is trained on users, or rows are to be drawn by domain and the data are of one.
    """
    if config.curriculum is not None and config.curriculum.difficulty and material.rows.by_user:
        raise ConfigError(
            f"{type(model).__name__} is trained on users, not on rows: a curriculum does not apply to it; "
            f"set ckd.curriculum to null, or, to keep its order of teachers, ckd.curriculum.difficulty"
        )
    if not _by_domain(config):
        return
    setting = "temperature" if config.domains.temperature != 1 else "competence"
    if not material.domains:
        raise ConfigError(
            f"ckd.domains.{setting} is set, and dataset {material.domain.name!r} is not merged from several domains; "
            f"name several, or leave it out"
        )
    if material.rows.by_user:
        raise ConfigError(
            f"{type(model).__name__} is trained on users, not on rows: ckd.domains.{setting} does not apply to it; "
            f"leave it out"
        )


def order_rows(
    model: Any,
    splits: Splits,
    material: Material,
    signals: Sequence[Signal],
    config: CkdConfig,
    host: Any,
    registry: Registry,
    soft: SoftTargets | None = None,
    memory: LossMemory | None = None,
) -> CurriculumSampler | None:
    """Set the order of a train loader's rows.

    Batches are cut to their longest row where that changes nothing for the model, and only then rows of like length
    are drawn together. Without that and without a curriculum RecBole's own order stands, bit for bit. Measures of
    teachers are those of ``soft``, where they were integrated before, and else asked for here: the same. Those of the
    student's losses go by ``memory``.

    Returns:
        The sampler in use, or ``None`` where RecBole's own order stands.
    """
    trimmed = config.speed.trim and trim_batches(splits.train, model, host)
    lengths = row_lengths(splits.train_dataset, host) if trimmed and config.speed.bucket else None
    curriculum = config.curriculum
    rows = len(splits.train_dataset)
    measures = None if curriculum is None else curriculum.difficulty
    by_domain = _by_domain(config)
    refresh: Difficulty | None = None
    if measures is None and lengths is None and not by_domain:
        return None
    if curriculum is None or measures is None:
        difficulty, schedule, ramp = np.zeros(rows), _everything, 1
    else:
        refresh = Difficulty(curriculum, material, signals, registry, soft, memory)
        difficulty = refresh()
        schedule = curriculum.schedule.build(registry, "schedule", until=1.0)
        ramp = curriculum.epochs
    sampler = CurriculumSampler(
        difficulty,
        schedule,
        progress=lambda epoch: min(1.0, epoch / ramp),
        seed=host["seed"],
        lengths=lengths,
        batch_size=rows_a_batch(splits.train),
        groups=_row_domains(splits, material, host) if by_domain else None,
        within=config.domains.competence == "within",
        temperature=config.domains.temperature,
        refresh=refresh if changing(curriculum, registry) else None,
    )
    if memory is not None:
        memory.wanted = lambda: sampler.competence < 1
    set_row_order(splits.train, sampler)
    return sampler


def _by_domain(config: CkdConfig) -> bool:
    """Whether it matters which domain a row is of."""
    ordered = config.curriculum is not None and bool(config.curriculum.difficulty)
    return config.domains.temperature != 1 or (config.domains.competence == "within" and ordered)


def _row_domains(splits: Splits, material: Material, host: Any) -> NDArray[np.int64]:
    """``[R]`` the domain of each train row's item; of a window's last one."""
    items = splits.train_dataset.inter_feat[host["ITEM_ID_FIELD"]].numpy()
    found: NDArray[np.int64] = material.item_domain[items]
    return found


def _everything(progress: float) -> float:
    return 1.0
