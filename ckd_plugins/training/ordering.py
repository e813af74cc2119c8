"""The order in which a student meets its training rows: by difficulty, by length, or as RecBole has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ckd_plugins.config import CkdConfig
from ckd_plugins.curriculum.difficulty import combine, teacher_confidence
from ckd_plugins.curriculum.evidence import Evidence
from ckd_plugins.curriculum.sampler import CurriculumSampler
from ckd_plugins.distillation.integrators.measures import confidence, consistency
from ckd_plugins.distillation.numerics import masked_log_softmax
from ckd_plugins.distillation.reading import over_catalogue
from ckd_plugins.distillation.soft_targets import SoftTargets
from ckd_plugins.errors import ConfigError
from ckd_plugins.host.data import Splits
from ckd_plugins.host.loaders import row_lengths, rows_a_batch, set_row_order, trim_batches
from ckd_plugins.registry import Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.training.material import Material

__all__ = ["check_order", "order_rows"]

_ROWS = 8192
"""Whose confidence is looked up at once."""


def check_order(model: Any, material: Material, config: CkdConfig) -> None:
    """Find out before teachers are trained whether a curriculum applies.

    Raises:
        ConfigError: the model is trained on users, or rows are to be drawn by domain and the data are of one.
    """
    if config.curriculum is not None and config.curriculum.difficulty and material.rows.by_user:
        raise ConfigError(
            f"{type(model).__name__} is trained on users, not on rows: a curriculum does not apply to it; "
            f"set ckd.curriculum to null, or ckd.curriculum.difficulty for one of teachers only"
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
) -> CurriculumSampler | None:
    """Set the order of a train loader's rows.

    Batches are cut to their longest row where that changes nothing for the model, and only then rows of like length
    are drawn together. Without that and without a curriculum RecBole's own order stands, bit for bit. Measures of
    teachers are those of ``soft``, where they were integrated before, and else asked for here: the same.

    Returns:
        The sampler in use, or ``None`` where RecBole's own order stands.
    """
    trimmed = config.speed.trim and trim_batches(splits.train, model, host)
    lengths = row_lengths(splits.train_dataset, host) if trimmed and config.speed.bucket else None
    curriculum = config.curriculum
    rows = len(splits.train_dataset)
    measures = None if curriculum is None else curriculum.difficulty
    by_domain = _by_domain(config)
    if measures is None and lengths is None and not by_domain:
        return None
    if curriculum is None or measures is None:
        difficulty, schedule, ramp = np.zeros(rows), _everything, 1
    else:
        difficulty = _difficulty(measures, curriculum.direction, material, signals, registry, soft)
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
    )
    set_row_order(splits.train, sampler)
    return sampler


def _by_domain(config: CkdConfig) -> bool:
    """Whether it matters which domain a row is of."""
    return config.domains.temperature != 1 or (config.domains.competence == "within" and config.curriculum is not None)


def _row_domains(splits: Splits, material: Material, host: Any) -> NDArray[np.int64]:
    """``[R]`` the domain of each train row's item; of a window's last one."""
    items = splits.train_dataset.inter_feat[host["ITEM_ID_FIELD"]].numpy()
    found: NDArray[np.int64] = material.item_domain[items]
    return found


def _everything(progress: float) -> float:
    return 1.0


def _difficulty(
    weights: Mapping[str, float],
    direction: Literal["easy_first", "hard_first"],
    material: Material,
    signals: Sequence[Signal],
    registry: Registry,
    soft: SoftTargets | None,
) -> NDArray[np.float64]:
    specs = {name: registry.get("difficulty", name) for name in weights}
    asking = {spec.load() for spec in specs.values() if getattr(spec, "teachers", 0)}
    asked = bool(asking and signals)
    confidence, disagreement = _teachers_view(material, signals, soft, asking) if asked else (None, None)
    at = material.instances
    evidence = Evidence(
        at.flat.astype(np.int64),
        at.start,
        at.stop,
        at.target.astype(np.int64),
        material.domain.popularity.astype(np.float64),
        confidence,
        disagreement,
    )
    measures = {name: _by_row(spec.load()(evidence), material.rows.parent) for name, spec in specs.items()}
    return combine(measures, weights, direction=direction)


def _by_row(values: Any, parent: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """A measure by the loader's rows: their positions' mean where a row has several, unknown ones left out."""
    found = np.asarray(values, np.float64)
    if parent is None:
        return found
    known = ~np.isnan(found)
    total = np.bincount(parent, np.where(known, found, 0.0))
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
    shares = [signal.known_items(items).float().mean() for signal in signals]
    for rows in torch.split(torch.arange(len(targets)), _ROWS):
        own = [signal.log_probs(rows, targets[rows, None]) for signal in signals]
        if any(one is None for one in own):
            return None
        # As confidence() has it, of teachers that do not know all items.
        found = [one[:, 0].exp() * share for one, share in zip(own, shares, strict=True) if one is not None]
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
