"""What a plugin promises beyond its hooks: that everything it registers can be loaded, configured and used."""

from __future__ import annotations

import inspect
from typing import Any

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins._options import read_options
from ckd_plugins.errors import PluginError
from ckd_plugins.registry import PluginRow, Record, Registry

__all__ = ["check_plugin"]

_CALLED_BY_US = ("difficulty", "importer", "student", "command")
"""Kinds whose factory gets its arguments from this package, not from a config alone."""


def check_plugin(registry: Registry, row: PluginRow) -> list[str]:
    """Load everything that a plugin registers, and let its integrators and losses work a small batch.

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
    if record.kind in ("integrator", "loss"):
        findings += _tried(factory, record.kind)
    return findings


def _tried(factory: Any, kind: str) -> list[str]:
    """What a small batch brings to light; nothing of a factory that cannot be called without options."""
    if any(p.default is inspect.Parameter.empty for p in read_options(factory).parameters.values()):
        return []
    from ckd_plugins.distillation.trial import try_integrator, try_loss

    try:
        part = factory()
        if kind == "loss":
            try_loss(part)
        else:
            try_integrator(part, ("one", "another"))
    except PluginError as error:
        return [str(error)]
    except FAULTS as error:
        return [f"it cannot be built with its defaults: {sentence(error)}"]
    return []


def _factory(record: Record) -> Any:
    name = getattr(record.spec, "recbole_model", None)
    if name is None:
        return record.spec.load()
    from ckd_plugins.host.zoo import model_class

    return model_class(name)
