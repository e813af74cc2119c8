"""What a plugin promises beyond its hooks: that everything it registers can be loaded, configured and used."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins._options import read_options
from ckd_plugins.errors import CkdError, PluginError
from ckd_plugins.registry import PluginRow, Record, Registry

__all__ = ["check_plugin"]

_CALLED_BY_US = ("difficulty", "importer", "student", "command")
"""Kinds whose factory gets its arguments from this package, not from a config alone."""


def check_plugin(registry: Registry, row: PluginRow) -> list[str]:
    """Load everything that a plugin registers, and try its parts on small made-up data.

    Args:
        registry: where it is registered.
        row: the plugin, as :meth:`Registry.plugins` lists it.

    Returns:
        One line for each thing that is wrong; empty when the plugin keeps its promises.
    """
    findings = [row.error] if row.error else []
    for record in registry.records():
        if f"{record.kind}:{record.spec.name}" in row.components:
            findings += [f"{record}: {finding}" for finding in _check_record(record)]
    return findings


def _check_record(record: Record) -> list[str]:
    try:
        factory = _factory(record)
    except FAULTS as error:
        return [f"{record.spec.factory!r} cannot be loaded: {sentence(error)}"]
    if not callable(factory):
        return [f"{record.spec.factory!r} is a {type(factory).__name__}, which cannot be called"]
    findings = [] if record.spec.summary else ["it has no summary, the line that listings show"]
    if record.kind not in _CALLED_BY_US:
        for name, parameter in read_options(factory).parameters.items():
            if parameter.annotation is inspect.Parameter.empty:
                findings.append(f"option {name!r} has no type, so a config's value for it cannot be checked")
    if record.kind == "difficulty":
        from ckd_plugins.curriculum.trials import try_difficulty

        findings += _finding(lambda: try_difficulty(factory, {}))
    elif record.kind in ("balance", "candidates", "integrator", "loss", "ramp", "schedule"):
        findings += _tried(factory, record.kind)
    return findings


def _tried(factory: Any, kind: str) -> list[str]:
    """What a small batch brings to light; nothing of a factory that cannot be called without options."""
    if any(p.default is inspect.Parameter.empty for p in read_options(factory).parameters.values()):
        return []
    try:
        part = factory()
    except FAULTS as error:
        return [f"it cannot be built with its defaults: {sentence(error)}"]
    return _finding(lambda: _try(part, kind))


def _try(part: Any, kind: str) -> None:
    import torch

    from ckd_plugins.curriculum.trials import try_schedule
    from ckd_plugins.distillation import trials

    if kind == "candidates":
        source, items = trials.require_source(part), 1000
        if source.asks_teachers():
            return  # there are none here
        source.bind(items, torch.arange(items).flip(0))
        source.bind_tokens([None, *(f"domain/{item}" for item in range(1, items))])
        trials.try_candidates(source, items, torch.arange(1, 65))
    elif kind == "integrator":
        trials.try_integrator(part, ("one", "another"))
    elif kind == "schedule":
        try_schedule(part)
    else:
        {"balance": trials.try_balance, "loss": trials.try_loss, "ramp": trials.try_ramp}[kind](part)


def _finding(trial: Callable[[], None]) -> list[str]:
    """What a trial says; that made-up rows or teachers do not suit a part's options says nothing of it."""
    try:
        trial()
    except PluginError as error:
        return [str(error)]
    except CkdError:
        return []
    except FAULTS as error:
        return [f"fails: {sentence(error)}"]
    return []


def _factory(record: Record) -> Any:
    name = getattr(record.spec, "recbole_model", None)
    if name is None:
        return record.spec.load()
    from ckd_plugins.host.zoo import model_class

    return model_class(name)
