"""pydantic's findings about a config, told in one line: where, what, and the nearest valid setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ckd_plugins.errors import ConfigError, did_you_mean

__all__ = ["config_error"]

_PHRASES = {
    "dict_type": "should be a mapping",
    "model_type": "should be a mapping",
    "path_type": "should be a path",
    "too_short": "should not be empty",
    "tuple_type": "should be a list",
}
"""Our words where pydantic's speak of Python."""


def config_error(error: ValidationError, model: type[BaseModel], section: str) -> ConfigError:
    """Turn a validation error of ``model`` into a one-line error about ``section``."""
    found = error.errors(include_url=False, include_context=False)
    first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    others = [repr(_path(section, tuple(e["loc"]))) for e in found if e is not first]
    return ConfigError(_tell(first, model, section) + (f"; also wrong: {', '.join(others)}" if others else ""))


def _tell(finding: Mapping[str, Any], model: type[BaseModel], section: str) -> str:
    location, message = tuple(finding["loc"]), str(finding["msg"])
    path = _path(section, location)
    if finding["type"] == "extra_forbidden":
        known = list(_model_at(model, location[:-1]).model_fields)
        near = did_you_mean(str(location[-1]), known)
        return f"unknown setting {path!r}{near} (known: {', '.join(known)})"
    message = _PHRASES.get(finding["type"], message).removeprefix("Value error, ").replace("Input should", "should")
    shown = repr(finding["input"])
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"setting {path!r} {message}, got {shown}"


def _path(section: str, location: tuple[int | str, ...]) -> str:
    return section + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _inner(model.model_fields[part].annotation) or model
    return model


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for inner in map(_inner, get_args(annotation)) if inner is not None), None)
