"""A stock model made a student: its reader, the shared objective, and the order of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ckd_plugins._scheduled import Scheduled, over_epochs
from ckd_plugins.config import CkdConfig, Component
from ckd_plugins.curriculum.memory import LossMemory
from ckd_plugins.distillation.candidates import CandidateSource
from ckd_plugins.distillation.objective import Objective
from ckd_plugins.distillation.pacing import TeacherPace
from ckd_plugins.distillation.soft_objective import SoftObjective
from ckd_plugins.distillation.soft_targets import SoftTargets
from ckd_plugins.distillation.trial import try_integrator, try_loss
from ckd_plugins.errors import ConfigError, PluginError, StudentError
from ckd_plugins.host.data import ROW_FIELD, Splits
from ckd_plugins.registry import Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.students.attachment import Handle, attach
from ckd_plugins.students.families import refusal
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.students.readers.vectors import VectorReader
from ckd_plugins.students.rows import RowSource, UserRows
from ckd_plugins.training.default_weight import weight_of
from ckd_plugins.training.material import Material
from ckd_plugins.training.measuring import measure_options
from ckd_plugins.training.probing import make_probe
from ckd_plugins.training.soft_targets import check_targets
from ckd_plugins.training.subscribe import Subscription
from ckd_plugins.training.vectors import check_vectors

IN_BATCH = Component(name="in_batch")
"""What scores are compared on where teachers are integrated in batches and no candidates are set."""
_PAIR_MEMORY = 2**30
"""Bytes that the (row, candidate) pairs of a batch may keep until the backward pass."""

__all__ = ["check_candidates", "check_parts", "choose_reader", "make_student", "row_source"]


def check_parts(config: CkdConfig, registry: Registry) -> None:
    """Build everything that distillation is made of once, before anything runs, so that a mistake shows at once.

    Raises:
        UnknownNameError: something is not registered under its name.
        ConfigError: an option is unknown or refused, or the parts do not fit the teachers.
        PluginError: an integrator or a loss does not do what it must; says of which plugin it is.
    """
    if config.curriculum is not None:
        config.curriculum.schedule.build(registry, "schedule", until=1.0)
        for name, measure in (config.curriculum.difficulty or {}).items():
            measure_options(name, measure, registry)
            least = getattr(registry.get("difficulty", name), "teachers", 0)
            if len(config.teachers) < least:
                raise ConfigError(
                    f"difficulty {name!r} asks at least {least} of the teachers and {len(config.teachers)} are named; "
                    f"name more or leave it out"
                )
        if (order := config.curriculum.teachers) is not None:
            order.schedule.build(registry, "schedule", until=1.0)
            if len(config.teachers) < 2:
                raise ConfigError(
                    f"ckd.curriculum.teachers lets teachers join one after the other, and {len(config.teachers)} "
                    f"{'is' if len(config.teachers) == 1 else 'are'} named; name two or more, or leave it out"
                )
    if not config.teachers:
        return
    (config.candidates or IN_BATCH).build(registry, "candidates", seed=0)
    integrator = config.integrator.build(registry, "integrator")
    with _named(registry, "integrator", config.integrator.name):
        try_integrator(integrator, [component.label for component in config.teachers])
    if config.weight is not None:
        over_epochs(config.weight, registry)
    temperature = over_epochs(config.temperature, registry)
    loss = config.loss.build(registry, "loss", tau=temperature(0))
    if isinstance(config.temperature, Scheduled):
        try:
            loss.set_temperature(temperature(0))
        except ConfigError as error:
            raise ConfigError(
                f"ckd.temperature follows a schedule, and loss {config.loss.name!r} has no temperature that could; "
                f"make it a number"
            ) from error
    elif config.temperature != 1 and "tau" not in config.loss.resolve(registry, "loss") and not hasattr(loss, "tau"):
        raise ConfigError(
            f"ckd.temperature is {config.temperature:g}, and loss {config.loss.name!r} has no temperature; leave it out"
        )
    with _named(registry, "loss", config.loss.name):
        try_loss(loss)
    config.balance.build(registry, "balance")
    check_vectors(config, registry)
    check_targets(config, registry)


@contextmanager
def _named(registry: Registry, kind: str, name: str) -> Iterator[None]:
    """Let a fault of a component say whose it is."""
    try:
        yield
    except PluginError as error:
        record = registry.record(kind, name)
        raise PluginError(f"{record} of {record.origin} {error}") from error


def check_candidates(material: Material, config: CkdConfig, registry: Registry) -> None:
    """Find out before teachers are trained whether the candidates that are set fit the data.

    Raises:
        ConfigError: more of them are asked for than there are, or the data lack what they go by.
    """
    if config.teachers and config.candidates is not None:
        _bound(config.candidates.build(registry, "candidates", seed=0), material)


def choose_reader(
    model: Any, splits: Splits, config: Any, registry: Registry, subscription: Subscription | None = None
) -> Reader:
    """Find out how scores are read out of a model.

    The reader of the student's own record comes first, then the plugins are asked, the built-in one last. A small
    batch is drawn for the probe; random states and the loader's order are left as they were.

    Raises:
        StudentError: the model cannot be a student; says why.
    """
    reason = refusal(model)
    if reason is not None:
        raise StudentError(f"{type(model).__name__} cannot be a student: {reason}; it can be a teacher")
    if subscription is not None and subscription.reader is not None:
        return subscription.reader(model)
    probe = make_probe(model, splits, config)
    reader: Reader | None = registry.first("ckd_choose_reader", model=model, probe=probe)
    if reader is None:
        raise StudentError(f"no plugin knows how to read scores out of {type(model).__name__}")
    return reader


def make_student(
    model: Any,
    reader: Reader,
    signals: Sequence[Signal],
    material: Material,
    config: CkdConfig,
    registry: Registry,
    seed: int,
    batch_size: int,
    subscription: Subscription | None = None,
    soft: SoftTargets | None = None,
    memory: LossMemory | None = None,
) -> tuple[Handle, Objective | SoftObjective]:
    """Attach the objective of a config to a model instance.

    Args:
        model: the model instance.
        reader: how its scores are read.
        signals: what the teachers know.
        material: the run's data.
        config: the ``ckd`` section.
        registry: where components are looked up.
        seed: of what is random in the candidates.
        batch_size: rows of a batch that are distilled, at most.
        subscription: the student's record.
        soft: what the teachers hold of every row, where they were integrated before.
        memory: is told what the student loses on each row.
    """
    weight, temperature = (over_epochs(s, registry) for s in (weight_of(config, reader), config.temperature))
    loss = config.loss.build(registry, "loss", tau=temperature(0))
    objective: Objective | SoftObjective
    if soft is not None:
        names, over = [signal.name for signal in signals], config.targets.over
        over = over or ("catalogue" if reader.softmax and not loss.whole else "list")
        n_items = len(material.tokens)
        objective = SoftObjective(soft, names, loss, n_items=n_items, over=over, weight=weight(0))
    else:
        limited = _limited(config.candidates or IN_BATCH, reader, batch_size)
        candidates = _bound(limited.build(registry, "candidates", seed=seed), material)
        integrator = config.integrator.build(registry, "integrator")
        pace = _pace(config, [signal.name for signal in signals], registry)
        width = reader.width if isinstance(reader, VectorReader) else None
        objective = Objective(signals, candidates, integrator, loss, weight=weight(0), pace=pace, width=width)
    objective.follow(
        weight=weight if isinstance(config.weight, Scheduled) else None,
        temperature=temperature if isinstance(config.temperature, Scheduled) else None,
    )
    objective.to(next(model.parameters()).device)
    rows = row_source(model, material, subscription)
    # Fixed is no balance at all: the step is the one of a student without.
    balance = None if config.balance.name == "fixed" else config.balance.build(registry, "balance")
    told = None if memory is None else memory.see
    return attach(model, objective, reader, row_field=ROW_FIELD, rows=rows, balance=balance, told=told), objective


def _pace(config: CkdConfig, names: Sequence[str], registry: Registry) -> TeacherPace | None:
    order = None if config.curriculum is None else config.curriculum.teachers
    if order is None:
        return None
    schedule, epochs = order.schedule.build(registry, "schedule", until=1.0), order.epochs
    return TeacherPace(names, lambda epoch: schedule(min(1.0, epoch / epochs)), order.by)


def row_source(model: Any, material: Material, subscription: Subscription | None = None) -> RowSource | None:
    """How the distilled rows of a batch are found, where it is not by the row column: by user for autoencoders."""
    if subscription is not None and subscription.rows is not None:
        return subscription.rows(model)
    if material.rows.by_user:
        return UserRows(torch.from_numpy(material.rows.target).long(), user_field=getattr(model, "USER_ID", "user_id"))
    return None


def _bound(candidates: CandidateSource, material: Material) -> CandidateSource:
    popularity = torch.from_numpy(material.popularity)
    candidates.bind(len(popularity), popularity)
    candidates.bind_tokens(material.tokens)
    return candidates


def _limited(candidates: Component, reader: Reader, batch_size: int) -> Component:
    """Subsample the batch's targets, unless told, where each (row, item) pair is a pass through the model.

    Their number is the reader's, or less where so many pairs of a batch would not fit a memory bound until the
    backward pass: RippleNet keeps a megabyte a pair.
    """
    if reader.max_candidates is None or candidates.name != "in_batch" or "limit" in candidates.options:
        return candidates
    fit = _PAIR_MEMORY // max(1, batch_size * reader.pair_bytes)
    limit = max(2, min(reader.max_candidates, fit))
    return Component(name=candidates.name, options={**candidates.options, "limit": limit})
