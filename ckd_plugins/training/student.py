"""A stock model made a student: its reader, the shared objective, and the order of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any

import torch

from ckd_plugins.config import CkdConfig, Component
from ckd_plugins.distillation.objective import Objective
from ckd_plugins.errors import ConfigError, PluginError, StudentError
from ckd_plugins.host.data import ROW_FIELD, Splits
from ckd_plugins.registry import Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.students.attachment import Handle, attach
from ckd_plugins.students.families import refusal
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.students.rows import RowSource, UserRows
from ckd_plugins.training.material import Material
from ckd_plugins.training.probing import make_probe

__all__ = ["check_parts", "choose_reader", "make_student", "own_reader", "row_source"]


def check_parts(config: CkdConfig, registry: Registry) -> None:
    """Build everything that distillation is made of once, before anything runs, so that a mistake shows at once.

    Raises:
        UnknownNameError: something is not registered under its name.
        ConfigError: an option is unknown or refused, or the parts do not fit the teachers.
    """
    if config.curriculum is not None:
        config.curriculum.schedule.build(registry, "schedule", until=1.0)
        for name in config.curriculum.difficulty:
            least = getattr(registry.get("difficulty", name), "teachers", 0)
            if len(config.teachers) < least:
                raise ConfigError(
                    f"difficulty {name!r} asks at least {least} of the teachers and {len(config.teachers)} are named; "
                    f"name more or leave it out"
                )
    if not config.teachers:
        return
    names = [component.name for component in config.teachers]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"teacher {twice[0]!r} is named twice; a run takes each teacher once")
    config.candidates.build(registry, "candidates", seed=0)
    config.integrator.build(registry, "integrator").bind(names)
    config.loss.build(registry, "loss", tau=config.temperature)


def choose_reader(model: Any, splits: Splits, config: Any, registry: Registry) -> Reader:
    """Find out how scores are read out of a model.

    A registered student's own reader comes first, then the plugins are asked, the built-in one last. A small batch is
    drawn for the probe; random states and the loader's order are left as they were.

    Raises:
        StudentError: the model cannot be a student; says why.
        PluginError: a registered student's own reader cannot be imported.
    """
    reason = refusal(model)
    if reason is not None:
        raise StudentError(f"{type(model).__name__} cannot be a student: {reason}; it can be a teacher")
    own = own_reader(model, registry)
    if own is not None:
        return own
    probe = make_probe(model, splits, config)
    reader: Reader | None = registry.first("ckd_choose_reader", model=model, probe=probe)
    if reader is None:
        raise StudentError(f"no plugin knows how to read scores out of {type(model).__name__}")
    return reader


def own_reader(model: Any, registry: Registry) -> Reader | None:
    """The reader that a registered student's record names, or ``None``.

    Raises:
        PluginError: it cannot be imported.
    """
    name = type(model).__name__
    spec: Any = registry.get("student", name) if name in registry.names("student") else None
    if spec is None or spec.reader is None:
        return None
    try:
        make = resolve_name(spec.reader) if isinstance(spec.reader, str) else spec.reader
    except (ImportError, AttributeError) as error:
        raise PluginError(f"student {name!r}: reader {spec.reader!r} cannot be imported: {error}") from error
    reader: Reader = make(model)
    return reader


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
    rows = row_source(model, material, registry)
    return attach(model, objective, reader, row_field=ROW_FIELD, rows=rows), objective


def row_source(model: Any, material: Material, registry: Registry) -> RowSource | None:
    """How the distilled rows of a batch are found, where it is not by the row column: by user for autoencoders."""
    if material.rows.by_user:
        return UserRows(torch.from_numpy(material.rows.target).long(), user_field=getattr(model, "USER_ID", "user_id"))
    return None


def _limited(candidates: Component, reader: Reader) -> Component:
    """Where each (row, item) pair is a pass through the model, the batch's targets are subsampled unless told."""
    if reader.max_candidates is None or candidates.name != "in_batch" or "limit" in candidates.options:
        return candidates
    return Component(name=candidates.name, options={**candidates.options, "limit": reader.max_candidates})
