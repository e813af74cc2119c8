"""Registered students made known to RecBole, with their defaults."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

from ckd_plugins.config import parse_value
from ckd_plugins.errors import PluginError, UnknownNameError
from ckd_plugins.host.zoo import register_student
from ckd_plugins.registry import Registry

__all__ = ["student_defaults"]


def student_defaults(model: str, registry: Registry) -> dict[str, Any]:
    """Register ``model`` with RecBole if a plugin brings it, and return its default settings.

    Raises:
        PluginError: the student's class or YAML cannot be loaded.
    """
    try:
        spec: Any = registry.get("student", model)
    except UnknownNameError:
        return {}  # RecBole's own, or nobody's: RecBole's look-up tells
    try:
        cls = spec.load()
    except (ImportError, AttributeError) as error:
        raise PluginError(f"student {model!r} cannot be imported: {error}") from error
    register_student(model, cls)
    if spec.defaults is None:
        return {}
    package, _, path = spec.defaults.partition(":")
    try:
        text = files(package).joinpath(path).read_text(encoding="utf-8")
        values = parse_value(text)  # as RecBole reads it: 1e-3 is a number
    except (ImportError, OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise PluginError(f"student {model!r}: defaults {spec.defaults!r} cannot be read: {reason}") from error
    if not isinstance(values, dict):
        raise PluginError(f"student {model!r}: defaults {spec.defaults!r} are no mapping of settings")
    return values
