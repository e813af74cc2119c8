"""The teachers of a run integrated once, over the whole catalogue, and kept for the runs after it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from ckd_plugins._scheduled import Scheduled, over_epochs
from ckd_plugins._version import __version__
from ckd_plugins.config import CkdConfig
from ckd_plugins.distillation.integrators import Integrator
from ckd_plugins.distillation.soft_targets import SoftTargets, integrate
from ckd_plugins.errors import ConfigError, PluginError, SignalError
from ckd_plugins.registry import Record, Registry
from ckd_plugins.signals.files import allocate, json_bytes, map_array, write_rows, write_whole
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.training.default_weight import weight_of
from ckd_plugins.training.made_by import made_by
from ckd_plugins.training.material import Material
from ckd_plugins.training.progress import Reporter
from ckd_plugins.training.teaching import Taught

__all__ = ["check_targets", "integrates_once", "soft_targets"]

_DTYPES = {"ids": "<i4", "probs": "<f2", "gate": "<f4", "mass": "<f4", "known": "|b1", "measures": "<f4"}


def integrates_once(config: CkdConfig, reader: Reader, registry: Registry) -> bool:
    """Whether the teachers are integrated before training: ``ckd.targets.when``.

    Args:
        config: the ``ckd`` section.
        reader: how the student's scores are read.
        registry: where components are looked up.
    """
    if not config.teachers or _is(weight_of(config, reader), 0):
        return False
    if config.targets.when != "auto":
        return config.targets.when == "once"
    temperature = config.temperature
    loss = config.loss.build(registry, "loss", tau=over_epochs(temperature, registry)(0))
    # Linear at temperature 1 only: in an epoch at another one the scores would have to be read.
    linear = loss.linear and (not isinstance(temperature, Scheduled) or _is(temperature, 1))
    free = config.candidates is None and not _teachers_join(config)
    return reader.softmax and linear and free and not _changes(config, registry)


def check_targets(config: CkdConfig, registry: Registry) -> None:
    """Find out before anything runs whether teachers can be integrated once, where that is asked for.

    Raises:
        ConfigError: the integrator changes while the student learns, teachers join one after the other, the loss wants
            more of the catalogue than is kept, or candidates are set, which would not be used.
    """
    if config.targets.when != "once":
        return
    if _changes(config, registry):
        raise ConfigError(
            f"integrator {config.integrator.name!r} learns, or changes from epoch to epoch; set ckd.targets to batch"
        )
    if config.targets.over == "catalogue" and config.loss.build(registry, "loss", tau=1.0).whole:
        raise ConfigError(
            f"loss {config.loss.name!r} compares all items, and ckd.targets: once keeps a row's likeliest "
            f"{config.targets.top}; set ckd.targets.over to list"
        )
    if _teachers_join(config):
        raise ConfigError(
            "ckd.curriculum.teachers lets teachers join while the student learns, and ckd.targets: once integrates "
            "them before; leave one of the two out"
        )
    if config.candidates is not None:
        raise ConfigError(
            f"ckd.candidates is {config.candidates.name!r}, and ckd.targets: once integrates over the whole catalogue; "
            f"leave ckd.candidates out, or set ckd.targets to batch"
        )


def soft_targets(
    taught: Sequence[Taught],
    material: Material,
    config: CkdConfig,
    registry: Registry,
    reporter: Reporter,
) -> SoftTargets:
    """Integrate a run's teachers, or find what an equal run integrated.

    Args:
        taught: the teachers.
        material: the run's data.
        config: the ``ckd`` section.
        registry: where the integrator is looked up.
        reporter: shows progress.

    Raises:
        PluginError: the integrator gives a row something that is not finite; nothing of it is kept.
    """
    signals = [one.signal for one in taught]
    integrator = config.integrator.build(registry, "integrator")
    integrator.bind([signal.name for signal in signals])
    top, rows, items = config.targets.top, len(material.instances), len(material.tokens)
    shapes = _shapes(rows, min(top, items - 1), len(signals))
    folder = config.cache_dir / "targets" / _digest(taught, material, config, registry)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        try:
            return _open(folder, shapes)
        except SignalError as damage:
            if folder.exists():
                reporter.say(f"integrated targets are not usable ({damage}); making them again")
                shutil.rmtree(folder)
        folder.mkdir()
        for name, shape in shapes.items():
            allocate(folder / f"{name}.npy", _DTYPES[name], shape)
        targets, done = torch.from_numpy(material.instances.target).long() + 1, 0
        with reporter.task(f"integrate teachers ({len(signals)})", rows) as advance:
            for block in integrate(signals, integrator, targets, items, top):
                try:
                    _check(block, registry.record("integrator", config.integrator.name))
                except PluginError:
                    shutil.rmtree(folder)
                    raise
                for name, part in block.items():
                    write_rows(folder / f"{name}.npy", part.numpy(), shapes[name], done)
                done += len(block["gate"])
                advance(done, f"{done} rows")
        # Last: a folder with it is whole.
        write_whole(folder / "manifest.json", json_bytes({name: list(shape) for name, shape in shapes.items()}))
        return _open(folder, shapes)


def _check(block: Mapping[str, torch.Tensor], record: Record) -> None:
    """Refuse rows that would make the loss of every batch NaN that one is in, in this run and in later ones."""
    for what, column in (
        ("probabilities", block["probs"]),
        ("weights", block["measures"][:, 0]),
        ("gate", block["gate"][:, None]),
    ):
        if wrong := int((~column.isfinite()).any(dim=1).sum()):
            raise PluginError(
                f"{record} of {record.origin} gives NaN or infinite {what} in {wrong} of {len(column)} rows; mend it, "
                f"or set another integrator"
            )


def _teachers_join(config: CkdConfig) -> bool:
    """Whether they do so one after the other."""
    return config.curriculum is not None and config.curriculum.teachers is not None


def _is(setting: float | Scheduled, value: float) -> bool:
    """Whether a setting is a value in every epoch, by its ends; a plugin's ramp between equal ends stays there."""
    return {setting.first, setting.last} == {value} if isinstance(setting, Scheduled) else setting == value


def _changes(config: CkdConfig, registry: Registry) -> bool:
    """Whether the integrator has parameters, or asks which epoch it is."""
    integrator = config.integrator.build(registry, "integrator")
    integrator.bind([component.label for component in config.teachers])
    by_epoch = type(integrator).set_epoch is not Integrator.set_epoch
    return by_epoch or any(p.requires_grad for p in integrator.parameters())


def _open(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> SoftTargets:
    if not (folder / "manifest.json").is_file():
        raise SignalError(f"{folder} is not whole: its making was interrupted")
    mapped = {name: torch.from_numpy(map_array(folder / f"{name}.npy", _DTYPES[name], shapes[name])) for name in shapes}
    return SoftTargets(**mapped)


def _shapes(rows: int, top: int, teachers: int) -> dict[str, tuple[int, ...]]:
    return {
        "ids": (rows, top),
        "probs": (rows, top),
        "gate": (rows,),
        "mass": (rows,),
        "known": (rows, teachers),
        "measures": (rows, 3, teachers),
    }


def _digest(taught: Sequence[Taught], material: Material, config: CkdConfig, registry: Registry) -> str:
    """Of everything that decides the targets: teachers, integrator, which rows in which order, and the items' ids.

    A store's name tells what a teacher was made from and which rows it was asked about; its digest tells apart those
    that were made twice. Integrators are told the labels.
    """
    at = material.instances
    made = [
        __version__,
        made_by(registry.record("integrator", config.integrator.name)),
        [(one.name, one.signal.temperature, one.store.name, one.digest) for one in taught],
        config.integrator.name,
        sorted(config.integrator.resolve(registry, "integrator").items()),
        config.targets.top,
        material.domain.items,
    ]
    digest = blake2b(json.dumps(made, default=repr).encode("utf-8", "surrogatepass"), digest_size=10)
    digest.update(at.keys(max(1, int(at.lengths.max(initial=1)))).tobytes())
    digest.update(np.ascontiguousarray(at.target).tobytes())
    digest.update(at.user_keys().tobytes())
    return digest.hexdigest()
