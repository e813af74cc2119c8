"""RecBole's models by name, and students of others made known to RecBole."""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import importlib.util
import sys
import types
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ckd_plugins.errors import EnvironmentProblem, PluginError, UnknownNameError
from ckd_plugins.host.compat import anomaly_mode_kept, prepare

__all__ = [
    "model_class",
    "model_names",
    "recbole_folder",
    "register_student",
    "registered_defaults",
    "registered_students",
    "shipped_settings",
]

_PACKAGES = {
    "GENERAL": "general_recommender",
    "TRADITIONAL": "general_recommender",
    "CONTEXT": "context_aware_recommender",
    "SEQUENTIAL": "sequential_recommender",
    "KNOWLEDGE": "knowledge_aware_recommender",
    "DECISIONTREE": "exlib_recommender",
}
"""Where RecBole keeps the models of each of its types."""

_registered: dict[str, type] = {}
_defaults: dict[str, dict[str, Any]] = {}


def recbole_folder() -> Path:
    """Where the installed RecBole package lies; it is not imported.

    Raises:
        EnvironmentProblem: RecBole is not installed, or not in a version that works.
    """
    prepare()
    spec = importlib.util.find_spec("recbole")
    if spec is None or spec.origin is None:
        raise EnvironmentProblem("recbole is installed but has no files; run 'ckd doctor --fix'")
    return Path(spec.origin).parent


def shipped_settings(stem: str) -> dict[str, Any]:
    """What RecBole's own YAML of a model says, by the file's name; empty where there is none."""
    path = recbole_folder() / "properties" / "model" / f"{stem}.yaml"
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


@cache
def model_names() -> tuple[str, ...]:
    """Names of all models that RecBole ships, as ``get_model`` wants them; none is imported."""
    names: list[str] = []
    for package in dict.fromkeys(_PACKAGES.values()):
        for path in sorted((recbole_folder() / "model" / package).glob("[a-z]*.py")):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # their docstrings have escapes that Python does not know
                tree = ast.parse(path.read_text(encoding="utf-8"))
            names += [n.name for n in tree.body if isinstance(n, ast.ClassDef) and n.name.lower() == path.stem]
    return tuple(sorted(names))


def model_class(name: str) -> type:
    """The class of a model that RecBole knows, its own or a registered one.

    Raises:
        UnknownNameError: no such model; names the nearest.
        EnvironmentProblem: the model needs a package that is not installed.
    """
    prepare()
    from recbole.utils import get_model

    if name in _registered:
        return _registered[name]
    with anomaly_mode_kept():
        try:
            found: type = get_model(name)
        except (ValueError, AttributeError, ImportError) as error:
            # RecBole looks through all its packages, and importing the last one asks for lightgbm and xgboost.
            if name in (names := model_names()):
                raise EnvironmentProblem(f"model {name} cannot be imported: {error}; install what it needs") from error
            raise UnknownNameError("model", name, [*names, *_registered]) from None
    return found


def registered_students() -> list[str]:
    """Names of the models that :func:`register_student` made known."""
    return sorted(_registered)


def register_student(
    name: str, cls: type, dataset: type | None = None, defaults: Mapping[str, Any] | None = None
) -> None:
    """Make a model class known to RecBole's ``get_model``, ``run_recbole`` and ``load_data_and_model`` by its name.

    RecBole looks a model up as module ``recbole.model.<kind>_recommender.<lower-case name>``; a module object under
    that name is all it takes. A dataset class is looked up by the name ``<name>Dataset`` among RecBole's own. Defaults
    come from files inside RecBole, where none of ours belongs: its ``Config`` asks :func:`registered_defaults` too
    (:func:`ckd_plugins.host.compat.prepare`).

    Args:
        name: the model's name, and its class's.
        cls: the model class.
        dataset: RecBole ``Dataset`` class that it is trained on, in place of its type's.
        defaults: settings that stand below the user's and above RecBole's.

    Raises:
        PluginError: the class does not follow RecBole's interface, has another name, or RecBole has a model or a
            dataset class of that name.
    """
    prepare()
    if _registered.get(name) is cls:
        _defaults[name] = dict(defaults or {})
        return
    kind = getattr(getattr(cls, "type", None), "name", None)
    if kind not in _PACKAGES:
        raise PluginError(
            f"student {name!r}: {cls!r} has no RecBole model type; derive it from a recommender of "
            f"recbole.model.abstract_recommender"
        )
    if cls.__name__ != name:
        raise PluginError(f"student {name!r}: its class is named {cls.__name__!r}; RecBole finds models by class name")
    if name not in _registered and name.lower() in {known.lower() for known in model_names()}:
        raise PluginError(f"student {name!r}: RecBole has a model of that name; choose another")
    datasets = importlib.import_module("recbole.data.dataset")
    if name not in _registered and hasattr(datasets, f"{name}Dataset"):
        raise PluginError(
            f"student {name!r}: RecBole has a {name}Dataset, which it would train the model on; choose another name"
        )
    # exlib's package cannot be imported without lightgbm, so a parent module is never asked for here.
    path = f"recbole.model.{_PACKAGES[kind]}.{name.lower()}"
    module = types.ModuleType(path, f"{name}, registered by ckd_plugins.")
    module.__spec__ = importlib.machinery.ModuleSpec(path, loader=None)
    setattr(module, name, cls)
    sys.modules[path] = module
    _registered[name] = cls
    _defaults[name] = dict(defaults or {})
    if dataset is not None:
        setattr(datasets, f"{name}Dataset", dataset)


def registered_defaults(name: str) -> dict[str, Any]:
    """Default settings of a registered student; none for a model of RecBole's own."""
    return dict(_defaults.get(name, {}))
