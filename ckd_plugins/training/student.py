"""A stock model made a student: its reader, the shared objective, and the order of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins._scheduled import Scheduled, over_epochs
from ckd_plugins.config import IN_BATCH, CkdConfig, Component
from ckd_plugins.curriculum.memory import LossMemory
from ckd_plugins.distillation.candidates import CandidateSource
from ckd_plugins.distillation.objective import Objective
from ckd_plugins.distillation.pacing import TeacherPace
from ckd_plugins.distillation.soft_objective import SoftObjective
from ckd_plugins.distillation.soft_targets import SoftTargets
from ckd_plugins.distillation.trials import require_source, try_candidates
from ckd_plugins.errors import StudentError
from ckd_plugins.host.data import ROW_FIELD
from ckd_plugins.registry import Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.students.attachment import Handle, Read, attach
from ckd_plugins.students.losses import losses_among_targets
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.students.readers.vectors import VectorReader
from ckd_plugins.students.rows import Rows, RowSource, UserRows
from ckd_plugins.training.default_weight import weight_of
from ckd_plugins.training.material import Material
from ckd_plugins.training.subscribe import Subscription

_PAIR_MEMORY = 2**30
"""Bytes that the (row, candidate) pairs of a batch may keep until the backward pass."""
_FEW = 200
"""Candidates of a row where the student's own loss looks at few items. Teachers are asked about every pair of a batch:
LightGCN on Office is as good with 200 of 2,000 targets, in a third of the time (docs/results.md). Of fewer than 600
they would save nothing: with its own target before it, a row's list is no longer the whole batch's."""
_TRIED = 64
"""Rows that a plugin's candidate source is tried on."""

__all__ = ["check_candidates", "make_student", "row_source"]


def check_candidates(material: Material, config: CkdConfig, registry: Registry) -> None:
    """Find out before teachers are trained whether the candidates that are set fit the data.

    Raises:
        ConfigError: more of them are asked for than there are, or the data lack what they go by.
        PluginError: a plugin's source does not do what it must.
    """
    if config.teachers and config.candidates is not None:
        source = _bound(config.candidates, material, registry, seed=0)
        if not source.asks_teachers():  # the others are tried when there are teachers
            _try(source, config.candidates, material, registry)


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
        limited = _limited(config.candidates or IN_BATCH, reader, batch_size, len(material.tokens))
        candidates = _bound(limited, material, registry, seed)
        integrator = config.integrator.build(registry, "integrator")
        pace = _pace(config, [signal.name for signal in signals], registry)
        width = reader.width if isinstance(reader, VectorReader) else None
        objective = Objective(signals, candidates, integrator, loss, weight=weight(0), pace=pace, width=width)
        _try(candidates, limited, material, registry)
    objective.follow(
        weight=weight if isinstance(config.weight, Scheduled) else None,
        temperature=temperature if isinstance(config.temperature, Scheduled) else None,
    )
    objective.to(next(model.parameters()).device)
    rows = row_source(model, material, subscription)
    # Fixed is no balance at all: the step is the one of a student without.
    balance = None if config.balance.name == "fixed" else config.balance.build(registry, "balance")
    told = None if memory is None else partial(_remember, memory, _most(reader, batch_size))
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
        try:
            return subscription.rows(model)
        except FAULTS as error:
            raise StudentError(f"student {subscription.name!r}: its row source fails: {sentence(error)}") from error
    if material.rows.by_user:
        return UserRows(torch.from_numpy(material.rows.target).long(), user_field=getattr(model, "USER_ID", "user_id"))
    return None


def _bound(component: Component, material: Material, registry: Registry, seed: int) -> CandidateSource:
    built: object = component.build(registry, "candidates", seed=seed)
    with registry.record("candidates", component.name).named():
        source = require_source(built)
    popularity = torch.from_numpy(material.popularity)
    source.bind(len(popularity), popularity)
    source.bind_tokens(material.tokens)
    return source


def _try(source: CandidateSource, component: Component, material: Material, registry: Registry) -> None:
    """Let a plugin's source choose for the first rows."""
    record = registry.record("candidates", component.name)
    if not record.origin.builtin:
        first = torch.from_numpy(material.instances.target[:_TRIED]).long() + 1
        with record.named():
            try_candidates(source, len(material.tokens), first)


def _remember(memory: LossMemory, most: int | None, rows: Rows, read: Read) -> None:
    """Keep what the student loses on a batch's rows, while the order of rows goes by it."""
    if memory.wanted():
        memory.see(rows.ids, losses_among_targets(read, rows.targets, most))


def _limited(candidates: Component, reader: Reader, batch_size: int, n_items: int) -> Component:
    """Subsample the batch's targets, unless told, where they cost more than the student's own loss."""
    if reader.softmax or candidates.name != "in_batch" or "limit" in candidates.options:
        return candidates
    many = min(batch_size, n_items) >= 3 * _FEW
    most = _most(reader, batch_size) or (_FEW if many else None)
    return Component(name=candidates.name, options={**candidates.options, "limit": most})


def _most(reader: Reader, batch_size: int) -> int | None:
    """How many candidates of a row a reader can well read.

    Its own limit, or less where so many pairs of a batch would not fit a memory bound until the backward pass:
    RippleNet keeps a megabyte a pair.
    """
    if reader.max_candidates is None:
        return None
    fit = _PAIR_MEMORY // max(1, batch_size * reader.pair_bytes)
    return max(2, min(reader.max_candidates, fit))
