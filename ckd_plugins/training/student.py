"""A stock model made a student: its reader, the shared objective, and the order of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ckd_plugins.config import CkdConfig, Component
from ckd_plugins.distillation.objective import Objective
from ckd_plugins.errors import StudentError
from ckd_plugins.host.data import ROW_FIELD, Splits
from ckd_plugins.registry import Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.students.attachment import Handle, attach
from ckd_plugins.students.families import refusal
from ckd_plugins.students.probe import Probe
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.students.rows import UserRows
from ckd_plugins.training.material import Material

__all__ = ["check_parts", "choose_reader", "make_student"]


def check_parts(config: CkdConfig, registry: Registry) -> None:
    """Check names and options of everything that distillation is made of, before anything runs.

    Raises:
        UnknownNameError: something is not registered under its name.
        ConfigError: an option is unknown or wrong.
    """
    config.candidates.check(registry, "candidates", host=("seed",))
    config.integrator.check(registry, "integrator")
    config.loss.check(registry, "loss", host=("tau",))
    if config.curriculum is not None:
        config.curriculum.schedule.check(registry, "schedule")
        for name in config.curriculum.difficulty:
            registry.get("difficulty", name)


def choose_reader(model: Any, splits: Splits, config: Any, registry: Registry) -> Reader:
    """Ask the plugins, the built-in one last, how scores are read out of a model.

    A small batch is drawn for the probe; random states and the loader's order are left as they were.

    Raises:
        StudentError: the model cannot be a student; says why.
    """
    reason = refusal(model)
    if reason is not None:
        raise StudentError(f"{type(model).__name__} cannot be a student: {reason}; it can be a teacher")
    item = config["ITEM_ID_FIELD"]
    probe = Probe(
        model,
        _small_batch(splits.train),
        splits.train_dataset.get_item_feature(),
        splits.dataset.num(item),
        item_field=item,
        label_field=config["LABEL_FIELD"],
    )
    reader: Reader | None = registry.first("ckd_choose_reader", model=model, probe=probe)
    if reader is None:
        raise StudentError(f"no plugin knows how to read scores out of {type(model).__name__}")
    return reader


def _small_batch(loader: Any, rows: int = 64) -> Any:
    import numpy as np

    inner = getattr(loader, "general_dataloader", loader)
    state, generator = np.random.get_state(), inner.generator.get_state()
    step, batches = inner.step, inner.batch_sampler.batch_size
    try:
        with torch.random.fork_rng(devices=[]):
            inner.batch_sampler.batch_size = min(rows, step)
            return next(iter(loader))
    finally:
        inner.batch_sampler.batch_size = batches
        inner.generator.set_state(generator)
        np.random.set_state(state)


def make_student(
    model: Any,
    reader: Reader,
    signals: Sequence[Signal],
    material: Material,
    config: CkdConfig,
    registry: Registry,
    seed: int,
) -> tuple[Handle, Objective]:
    """Attach the objective of a config to a model instance."""
    candidates = _limited(config.candidates, reader).build(registry, "candidates", seed=seed)
    popularity = torch.from_numpy(material.popularity)
    candidates.bind(len(popularity), popularity)
    objective = Objective(
        signals,
        candidates,
        config.integrator.build(registry, "integrator"),
        config.loss.build(registry, "loss", tau=config.temperature),
        weight=config.weight,
    )
    objective.to(next(model.parameters()).device)
    rows = None
    if material.rows.by_user:
        rows = UserRows(torch.from_numpy(material.rows.target).long(), user_field=getattr(model, "USER_ID", "user_id"))
    return attach(model, objective, reader, row_field=ROW_FIELD, rows=rows), objective


def _limited(candidates: Component, reader: Reader) -> Component:
    """Where each (row, item) pair is a pass through the model, the batch's targets are subsampled unless told."""
    if reader.max_candidates is None or candidates.name != "in_batch" or "limit" in candidates.options:
        return candidates
    return Component(name=candidates.name, options={**candidates.options, "limit": reader.max_candidates})
