"""What a teacher knows, as read by a student and as stored on disk.

A :class:`Signal` answers one question: what does this teacher score these candidates for these rows? Three forms
answer it from different knowledge (:class:`FactorSignal`, :class:`TopKSignal`, :class:`DenseSignal`). A
:class:`Store` keeps a teacher's knowledge on disk, keyed by item token and instance, and binds it to the numbering of
any run; a :class:`StoreWriter` makes one, shard by shard.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ckd_plugins.signals.base import Signal, VectorSignal
    from ckd_plugins.signals.best import Best, Listed
    from ckd_plugins.signals.bound import BoundSignal
    from ckd_plugins.signals.checking import Verdict, check_store, stores_in
    from ckd_plugins.signals.dense import DenseSignal
    from ckd_plugins.signals.factors import FactorSignal
    from ckd_plugins.signals.layout import Layout
    from ckd_plugins.signals.manifest import Column, Manifest, Provenance
    from ckd_plugins.signals.parquet import export_store, import_store
    from ckd_plugins.signals.store import Coverage, Store
    from ckd_plugins.signals.topk import TopKSignal
    from ckd_plugins.signals.writer import Shard, StoreWriter

__all__ = [
    "Best",
    "BoundSignal",
    "Column",
    "Coverage",
    "DenseSignal",
    "FactorSignal",
    "Layout",
    "Listed",
    "Manifest",
    "Provenance",
    "Shard",
    "Signal",
    "Store",
    "StoreWriter",
    "TopKSignal",
    "VectorSignal",
    "Verdict",
    "check_store",
    "export_store",
    "import_store",
    "stores_in",
]

_HOME = {
    "Best": "best",
    "BoundSignal": "bound",
    "Column": "manifest",
    "Coverage": "store",
    "DenseSignal": "dense",
    "FactorSignal": "factors",
    "Layout": "layout",
    "Listed": "best",
    "Manifest": "manifest",
    "Provenance": "manifest",
    "Shard": "writer",
    "Signal": "base",
    "Store": "store",
    "StoreWriter": "writer",
    "TopKSignal": "topk",
    "VectorSignal": "base",
    "Verdict": "checking",
    "check_store": "checking",
    "export_store": "parquet",
    "import_store": "parquet",
    "stores_in": "checking",
}


def __getattr__(name: str) -> object:
    # Lazy, because the forms import torch and the command line must start without it.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
