"""How hard each training row is, by the measures of a config."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ckd_plugins._component import Component
from ckd_plugins.config import Curriculum, Measure
from ckd_plugins.curriculum.difficulty import combine, student_loss, teacher_confidence
from ckd_plugins.curriculum.evidence import Evidence
from ckd_plugins.curriculum.memory import LossMemory
from ckd_plugins.curriculum.trials import measured
from ckd_plugins.distillation.integrators.measures import among_all, confidence, consistency
from ckd_plugins.distillation.numerics import masked_log_softmax
from ckd_plugins.distillation.reading import over_catalogue
from ckd_plugins.distillation.soft_targets import SoftTargets
from ckd_plugins.errors import PluginError
from ckd_plugins.registry import Record, Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.training.material import Material

__all__ = ["Difficulty", "changing", "measure_options"]

_ROWS = 8192
"""Whose confidence is looked up at once."""


def changing(curriculum: Curriculum | None, registry: Registry) -> bool:
    """Whether a measure is asked anew before each epoch."""
    measures = (curriculum.difficulty if curriculum is not None else None) or {}
    return any(getattr(registry.get("difficulty", name), "changes", False) for name in measures)


def measure_options(name: str, measure: Measure, registry: Registry) -> dict[str, Any]:
    """A measure's options, checked; the first argument, whatever it is called, is the evidence.

    Raises:
        UnknownNameError: no measure has the name.
        ConfigError: an option is unknown or of a wrong type.
    """
    evidence = list(inspect.signature(registry.record("difficulty", name).load()).parameters)[:1]
    return Component(name=name, options=measure.options).check(registry, "difficulty", evidence)


class Difficulty:
    """The combined difficulty of a train loader's rows; called again, with what the student has lost on them since.

    Args:
        curriculum: has measures.
        material: the run's data.
        signals: what the teachers know.
        registry: where measures are looked up.
        soft: what the teachers hold of every row, where they were integrated before.
        memory: what is remembered of the student's losses; ``None`` where it is not watched.

    Raises:
        PluginError: a measure fails, or gives something else than a number a row.
        ConfigError: a measure lacks what it goes by.
    """

    def __init__(
        self,
        curriculum: Curriculum,
        material: Material,
        signals: Sequence[Signal],
        registry: Registry,
        soft: SoftTargets | None,
        memory: LossMemory | None,
    ) -> None:
        assert curriculum.difficulty is not None
        self._measures: Mapping[str, Measure] = curriculum.difficulty
        self._direction, self._parent, self._memory = curriculum.direction, material.rows.parent, memory
        self._registry = registry
        records = [registry.record("difficulty", name) for name in self._measures]
        self._changing = [record for record in records if getattr(record.spec, "changes", False)]
        # What the student loses takes teachers to be known, and nothing that they say.
        asking = {record.load() for record in records if getattr(record.spec, "teachers", 0)} - {student_loss}
        view = _teachers_view(material, signals, soft, asking) if asking and signals else (None, None)
        at = material.instances
        self._evidence = Evidence(
            at.flat.astype(np.int64),
            at.start,
            at.stop,
            at.target.astype(np.int64),
            material.domain.popularity.astype(np.float64),
            *view,
        )
        self._found = {r.spec.name: self._ask(r, self._evidence) for r in records if r not in self._changing}

    def __call__(self) -> NDArray[np.float64]:
        """``[R]`` in (0, 1], as :func:`~ckd_plugins.curriculum.difficulty.combine` gives it."""
        losses = None if self._memory is None else self._memory.losses.copy()
        evidence = replace(self._evidence, student_loss=losses) if self._changing else self._evidence
        found = self._found | {record.spec.name: self._ask(record, evidence) for record in self._changing}
        weights = {name: measure.weight for name, measure in self._measures.items()}
        return combine(found, weights, direction=self._direction)

    def _ask(self, record: Record, evidence: Evidence) -> NDArray[np.float64]:
        name = record.spec.name
        options = measure_options(name, self._measures[name], self._registry)
        function = record.load()
        with record.named():
            values = measured(function, evidence, options)
            if np.isnan(values).all() and record not in self._changing:
                raise PluginError("knows nothing of any row: all it gives is NaN; leave it out")
        return _by_row(values, self._parent)


def _by_row(values: NDArray[np.float64], parent: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """A measure by the loader's rows: their positions' mean where a row has several, unknown ones left out."""
    if parent is None:
        return values
    known = ~np.isnan(values)
    total = np.bincount(parent, np.where(known, values, 0.0))
    count = np.bincount(parent, known)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _teachers_view(
    material: Material, signals: Sequence[Signal], soft: SoftTargets | None, asking: Set[object]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Mean confidence in each row's target among the whole catalogue, and mean divergence between teachers.

    Args:
        material: the run's data.
        signals: the teachers.
        soft: the integrated targets, if there are: their measures are these.
        asking: the measures that look at either. Divergence takes all items' scores; the package's own measure of
            confidence does not look at it, and confidence may be known without them.
    """
    agreed: Tensor | None = None
    confidence_alone = len(signals) == 1 or asking == {teacher_confidence}
    if soft is not None:
        known, confident, agreed = soft.known, soft.measures[:, 1], soft.measures[:, 2]
    elif confidence_alone and (found := _known_confidence(material, signals)) is not None:
        known, confident = found
    else:
        known, confident, agreed = _ask(material, signals)
    count = known.sum(dim=1)

    def mean(values: Tensor, least: int) -> NDArray[np.float64]:
        found = (values * known).sum(dim=1) / count
        return np.asarray(found.masked_fill(count < least, torch.nan).double())

    return mean(confident, 1), None if agreed is None or len(signals) == 1 else 1 - mean(agreed, 2)


@torch.no_grad()
def _known_confidence(material: Material, signals: Sequence[Signal]) -> tuple[Tensor, Tensor] | None:
    """Whether each teacher knows a row, and its confidence, ``[R, K]``; ``None`` where one has to score all items."""
    blocks = []
    targets, items = torch.from_numpy(material.instances.target).long() + 1, torch.arange(1, len(material.tokens))
    counts = [signal.known_items(items).sum() for signal in signals]
    for rows in torch.split(torch.arange(len(targets)), _ROWS):
        own = [signal.log_probs(rows, targets[rows, None]) for signal in signals]
        if any(one is None for one in own):
            return None
        # As confidence() has it, of teachers that do not know all items.
        found = [among_all(o[:, 0].exp(), n, len(items)) for o, n in zip(own, counts, strict=True) if o is not None]
        blocks.append((torch.stack([signal.known(rows) for signal in signals], dim=1), torch.stack(found, dim=1)))
    known, confident = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    return known, confident


@torch.no_grad()
def _ask(material: Material, signals: Sequence[Signal]) -> tuple[Tensor, Tensor, Tensor]:
    """What integrating the teachers once keeps of each, ``[R, K]``: whether it knows a row, confidence, consistency."""
    blocks = []
    targets = torch.from_numpy(material.instances.target).long() + 1
    for _, reading in over_catalogue(signals, targets, len(material.tokens)):
        known, log_share = reading.known, masked_log_softmax(reading.logits, reading.mask)
        share = log_share.exp()
        own = confidence(share, log_share, known, reading.target, reading.mask)
        blocks.append((known.T, own.T, consistency(share, known, log_share).T))
    known, confident, agreed = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    return known, confident, agreed
