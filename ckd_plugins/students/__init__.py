"""How scores are read out of unmodified RecBole models, and how a model is made a student."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ckd_plugins.students.attachment import Handle, ObjectiveOutput, attach
    from ckd_plugins.students.choose import choose_reader
    from ckd_plugins.students.families import family, refusal
    from ckd_plugins.students.probe import Probe, Verdict
    from ckd_plugins.students.readers.base import Catalogue, Reader
    from ckd_plugins.students.readers.vectors import VectorReader
    from ckd_plugins.students.rows import BatchRows, Rows, UserRows

__all__ = [
    "BatchRows",
    "Catalogue",
    "Handle",
    "ObjectiveOutput",
    "Probe",
    "Reader",
    "Rows",
    "UserRows",
    "VectorReader",
    "Verdict",
    "attach",
    "choose_reader",
    "family",
    "refusal",
]

_HOME = {
    "BatchRows": "rows",
    "Catalogue": "readers.base",
    "Handle": "attachment",
    "ObjectiveOutput": "attachment",
    "Probe": "probe",
    "Reader": "readers.base",
    "Rows": "rows",
    "UserRows": "rows",
    "VectorReader": "readers.vectors",
    "Verdict": "probe",
    "attach": "attachment",
    "choose_reader": "choose",
    "family": "families",
    "refusal": "families",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
