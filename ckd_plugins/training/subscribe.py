"""Students by the names that configs give them: RecBole's models, and those that a plugin's record subscribes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.resources import files
from typing import Any

import yaml

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins.config import parse_value
from ckd_plugins.errors import EnvironmentProblem, PluginError, UnknownNameError
from ckd_plugins.host.compat import prepare
from ckd_plugins.host.requirements import installed_version
from ckd_plugins.host.zoo import model_names, register_student, registered_students
from ckd_plugins.registry import Registry, get_registry
from ckd_plugins.specs import Family, Ref, StudentSpec
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.students.rows import RowSource

__all__ = ["Subscription", "register_students", "subscribe"]

_log = logging.getLogger("ckd_plugins")


@dataclass(frozen=True)
class Subscription:
    """A student's record with everything that it refers to, imported."""

    name: str
    """What configs call it."""
    model: str
    """What RecBole calls it; another name where a record gives one of RecBole's models other defaults."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Settings that stand below the user's and above RecBole's."""
    reader: Callable[[Any], Reader] | None = None
    """Own way to read candidate scores."""
    rows: Callable[[Any], RowSource] | None = None
    """Own way to find the distilled rows of a batch."""
    family: Family | None = None
    """What listings call it; ``None`` where that is told by the model."""
    packages: tuple[str, ...] = ()
    """PyPI packages that its record names."""


def subscribe(name: str, registry: Registry) -> Subscription:
    """Look a student up; if a plugin brings its class, make that known to RecBole.

    A name of RecBole's is RecBole's model, whatever a plugin registers under it.

    Raises:
        UnknownNameError: neither RecBole nor a plugin has it; names the nearest.
        PluginError: something that the student's record refers to cannot be loaded.
        EnvironmentProblem: it needs a package that is not installed.
    """
    if name in model_names():
        if name in registry.names("student"):
            origin = registry.record("student", name).origin
            _log.warning("student %r of %s is passed over: RecBole has a model of that name", name, origin)
        return Subscription(name, name)
    try:
        spec: Any = registry.get("student", name)
    except UnknownNameError:
        known = [*model_names(), *registry.names("student"), *registered_students()]
        if name not in known:
            raise UnknownNameError("model", name, known) from None
        return Subscription(name, name)
    missing = _missing(spec)
    if missing:
        raise EnvironmentProblem(f"student {name!r} needs {', '.join(missing)}; pip install {' '.join(missing)}")
    defaults = _defaults(spec)
    if spec.recbole_model is None:
        cls = _referred(name, "model", spec.factory)
        register_student(name, cls, _referred(name, "dataset", spec.dataset), defaults)
    return Subscription(
        name,
        spec.recbole_model or name,
        defaults,
        _referred(name, "reader", spec.reader),
        _referred(name, "rows", spec.rows),
        spec.family,
        tuple(spec.packages),
    )


def register_students(registry: Registry | None = None) -> list[str]:
    """Make the students of all plugins, ours among them, known to RecBole.

    ``recbole.quick_start.run_recbole(name)``, ``load_data_and_model`` and ``get_model`` find them then, with their
    defaults. Runs of this package do that by themselves. A student that cannot be loaded is left out with a warning;
    records that give one of RecBole's models other defaults have no class that RecBole could find.

    Args:
        registry: the process's registry by default.

    Returns:
        The names that RecBole knows from now on; students whose packages are not installed are left out.

    Raises:
        EnvironmentProblem: RecBole is not usable.
    """
    prepare()
    registry = registry or get_registry()
    found = []
    for record in registry.records("student"):
        spec: Any = record.spec
        if spec.recbole_model is not None or spec.name in model_names() or _missing(spec):
            continue
        try:
            found.append(subscribe(spec.name, registry).model)
        except PluginError as error:
            _log.warning("%s of %s is left out: %s", record, record.origin, error)
    return found


def _missing(spec: StudentSpec) -> list[str]:
    return [package for package in spec.packages if installed_version(package) is None]


def _referred(name: str, what: str, ref: Ref | None) -> Any:
    if not isinstance(ref, str):
        return ref
    module, _, attribute = ref.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except FAULTS as error:
        raise PluginError(f"student {name!r}: {what} {ref!r} cannot be imported: {sentence(error)}") from error


def _defaults(spec: StudentSpec) -> dict[str, Any]:
    if spec.defaults is None:
        return {}
    package, _, path = spec.defaults.partition(":")
    try:
        text = files(package).joinpath(path).read_text(encoding="utf-8")
        values = parse_value(text)  # as RecBole reads it: 1e-3 is a number
    except (ImportError, OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise PluginError(f"student {spec.name!r}: defaults {spec.defaults!r} cannot be read: {reason}") from error
    if not isinstance(values, dict):
        raise PluginError(f"student {spec.name!r}: defaults {spec.defaults!r} are no mapping of settings")
    return values
