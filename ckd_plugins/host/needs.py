"""What a RecBole model needs beyond interactions, told by its type, its YAML and its dataset class."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

from ckd_plugins.host.zoo import model_class, model_names, shipped_settings

__all__ = ["PACKAGES", "Needs", "has_own_dataset", "missing_package", "needs"]

PACKAGES = {"LightGBM": "lightgbm", "NCL": "faiss-cpu", "XGBoost": "xgboost-cpu"}
"""PyPI packages that single models import when they are used; our extras ``trees`` and ``faiss`` have them."""

_EXTRAS = {"lightgbm": ("lightgbm", "trees"), "xgboost-cpu": ("xgboost", "trees"), "faiss-cpu": ("faiss", "faiss")}
"""By PyPI package: what it is imported as, and our extra that has it."""


def missing_package(name: str) -> str | None:
    """What a RecBole model needs and is not installed, with the command that installs it; ``None`` if all is there.

    RecBole cannot import either of its trees without the packages of both.
    """
    wanted = [PACKAGES[name]] if name in PACKAGES else []
    if wanted and _EXTRAS[wanted[0]][1] == "trees":
        wanted = ["lightgbm", "xgboost-cpu"]
    for package in wanted:
        module, extra = _EXTRAS[package]
        if importlib.util.find_spec(module) is None:
            return f"the package {module} is missing; pip install 'ckd-plugins[{extra}]'"
    return None


@dataclass(frozen=True)
class Needs:
    """What a model needs beside users, items and the order of interactions."""

    files: tuple[str, ...] = ()
    """Endings of atomic files: ``kg`` and ``link`` (a knowledge graph), ``ent`` and ``rel`` (vectors of its parts)."""
    item_features: bool = False
    """Columns of ``.item`` beside the item id."""
    packages: tuple[str, ...] = ()
    """PyPI packages."""

    def words(self) -> tuple[str, ...]:
        """As a table shows them."""
        files = (" ".join(f".{ending}" for ending in self.files),) if self.files else ()
        features = ("item features",) if self.item_features else ()
        return (*files, *features, *self.packages)


def needs(name: str) -> Needs:
    """What a model of RecBole's needs, and nothing for a registered one."""
    if name not in model_names():
        return Needs()
    files: tuple[str, ...] = ()
    cls: Any = model_class(name)
    if cls.type.name == "KNOWLEDGE":
        files = ("kg", "link")
    elif _reads_graph_vectors(name):
        files = ("kg", "link", "ent", "rel")
    properties = shipped_settings(name)
    features = bool(properties.get("selected_features")) or "item_attribute" in properties
    return Needs(files, features, (PACKAGES[name],) if name in PACKAGES else ())


def has_own_dataset(name: str) -> bool:
    """Whether RecBole has a dataset class for this one model, which gives it columns that no other sees."""
    import recbole.data.dataset as datasets

    return hasattr(datasets, f"{name}Dataset")


def _reads_graph_vectors(name: str) -> bool:
    """Whether RecBole has a sequential dataset with a knowledge graph for the model."""
    import recbole.data.dataset as datasets

    own = getattr(datasets, f"{name}Dataset", None)
    return own is not None and issubclass(own, datasets.KGSeqDataset)
