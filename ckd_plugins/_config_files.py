"""Reading YAML as RecBole reads it, and laying one config over another."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ckd_plugins.errors import ConfigError

__all__ = ["SECTION", "SHORT", "overlay", "parse_value", "read_yaml", "split"]

SECTION = "ckd"
"""The key of a RecBole config under which everything of this package stands."""

SHORT = {"targets": "when", "text": "fields", "signals": "vectors"}
"""Sections for which a word or a list may stand, and the setting that it then is."""

_MISSPELT = {"cdk", "ckd_plugins", "ckd-plugins", "ckdplugins"}


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with RecBole's idea of a float (``configurator.py``, ``_build_yaml_loader``)."""


# YAML 1.1 takes '1e-3' for a string; RecBole's configs are full of it. A subclass, since resolvers are class state.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""^(?:
         [-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)
        |\.[0-9_]+(?:[eE][-+][0-9]+)?
        |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
        |[-+]?\.(?:inf|Inf|INF)
        |\.(?:nan|NaN|NAN))$""",
        re.X,
    ),
    list("-+0123456789."),
)


def parse_value(text: str) -> Any:
    """Read one value as a config file would: ``1e-3`` is a number, ``[a, b]`` a list, ``null`` nothing.

    Raises:
        yaml.YAMLError: the text is no YAML.
    """
    return yaml.load(text, Loader=_Loader)


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a config file.

    Raises:
        ConfigError: there is no such file, it is no YAML (with the line), or no mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"config file '{path}' does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"config file '{path}' cannot be read: {reason}") from None
    try:
        content = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigError(f"config file '{path}'{line}: {problem}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"config file '{path}' must hold 'key: value' pairs, it holds a {type(content).__name__}")
    return content


def split(settings: Mapping[str, Any], source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part RecBole's settings from ours; ``ckd.a.b`` as a key means the same as nested sections.

    Raises:
        ConfigError: the section is no mapping, or its name is misspelt; RecBole would ignore it without a word.
    """
    host: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for key, value in settings.items():
        name = str(key)
        if name == SECTION:
            if value is not None and not isinstance(value, Mapping):
                raise ConfigError(f"{source}: section 'ckd' should be a mapping, got {value!r}")
            own = overlay(own, value or {})
        elif name.startswith(f"{SECTION}."):
            nested: Any = value
            for part in reversed(name.split(".")[1:]):
                nested = {part: nested}
            own = overlay(own, nested)
        elif name.lower() in {SECTION, *_MISSPELT}:
            raise ConfigError(f"{source}: unknown section {name!r}; did you mean 'ckd'?")
        else:
            host[name] = value
    return host, own


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one ``ckd`` section over another: sections merge, everything else is replaced.

    A component that is named anew replaces the old one with its options; one without ``name`` changes single options.
    Weights of difficulties belong together and are replaced as a whole.
    """
    # Short forms only here: further down, a component may have an option of that name.
    return _merged(_long(below), _long(above))


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old: Any = merged.get(key)
        old = {"name": old} if isinstance(old, str) else old
        merges = isinstance(old, Mapping) and isinstance(value, Mapping) and "name" not in value and key != "difficulty"
        merged[key] = _merged(old, value) if merges else value
    return merged


def _long(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section with what a word or a list stands for, where one stands for the settings of another section."""
    return {
        key: {SHORT[key]: value} if key in SHORT and isinstance(value, str | list | tuple) else value
        for key, value in section.items()
    }
