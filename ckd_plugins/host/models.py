"""RecBole model instances, and students of our own made known to RecBole."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import Any

from ckd_plugins.errors import PluginError, StudentError
from ckd_plugins.host.compat import anomaly_mode_kept, clean_environment, prepare
from ckd_plugins.host.data import Splits

__all__ = ["build_model", "parameter_count", "register_student", "registered_students"]

_PACKAGES = {
    "GENERAL": "general_recommender",
    "TRADITIONAL": "general_recommender",
    "SEQUENTIAL": "sequential_recommender",
    "CONTEXT": "context_aware_recommender",
    "KNOWLEDGE": "knowledge_aware_recommender",
    "DECISIONTREE": "exlib_recommender",
}
_registered: dict[str, type] = {}


def registered_students() -> list[str]:
    """Names of the models that :func:`register_student` made known."""
    return sorted(_registered)


def register_student(name: str, cls: type) -> None:
    """Make a model class known to RecBole's ``get_model``, ``run_recbole`` and ``load_data_and_model`` by its name.

    RecBole looks a model up as module ``recbole.model.<kind>_recommender.<lower-case name>``; a module object under
    that name is all it takes. Nothing of RecBole is patched.

    Raises:
        PluginError: the class does not follow RecBole's interface, has another name, or RecBole has one of that name.
    """
    prepare()
    if _registered.get(name) is cls:
        return
    kind = getattr(getattr(cls, "type", None), "name", None)
    if kind not in _PACKAGES:
        raise PluginError(
            f"student {name!r}: {cls!r} has no RecBole model type; derive it from a recommender of "
            f"recbole.model.abstract_recommender"
        )
    if cls.__name__ != name:
        raise PluginError(f"student {name!r}: its class is named {cls.__name__!r}; RecBole finds models by class name")
    for package in dict.fromkeys(_PACKAGES.values()):
        path = f"recbole.model.{package}.{name.lower()}"
        taken = path in sys.modules or importlib.machinery.PathFinder.find_spec(
            name.lower(), list(_package_path(package))
        )
        if taken and name not in _registered:
            raise PluginError(f"student {name!r}: RecBole has a model of that name ({path}); choose another")
    path = f"recbole.model.{_PACKAGES[kind]}.{name.lower()}"
    module = types.ModuleType(path, f"{name}, registered by ckd_plugins.")
    module.__spec__ = importlib.machinery.ModuleSpec(path, loader=None)
    setattr(module, name, cls)
    sys.modules[path] = module
    _registered[name] = cls


def _package_path(package: str) -> list[str]:
    with anomaly_mode_kept():
        module = importlib.import_module(f"recbole.model.{package}")
    return list(module.__path__)


def build_model(config: Any, splits: Splits) -> Any:
    """Make the stock model instance of a config, with the random states that ``run_recbole`` has at this point.

    Raises:
        StudentError: the model's own constructor fails; its reason follows.
    """
    from recbole.utils import get_model, init_seed

    init_seed(config["seed"] + config["local_rank"], config["reproducibility"])
    name = config["model"]
    with clean_environment(), anomaly_mode_kept():
        cls = get_model(name)
        try:
            model = cls(config, splits.train_dataset)
        except (ImportError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
            raise StudentError(f"{name} cannot be built on {config['dataset']}: {error}") from error
    model = model.to(config["device"])
    _draw_as_flop_count(config, splits)
    return model


def _draw_as_flop_count(config: Any, splits: Splits) -> None:
    """Advance ``random`` as ``run_recbole``'s count of FLOPs does: it masks one sequence by the config's transform.

    BERT4Rec's masks come from there, so that without it the same seed gives other metrics than stock RecBole.
    """
    if config["transform"] is None:
        return
    import torch
    from recbole.data.transform import construct_transform

    one = splits.dataset[torch.tensor([1])].to(config["device"])
    construct_transform(config)(splits.dataset, one)


def parameter_count(model: Any) -> int:
    """Number of trained values of a model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
