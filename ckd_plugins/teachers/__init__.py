"""Pre-trained recommenders whose knowledge students learn from."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ckd_plugins.teachers.base import Teacher
    from ckd_plugins.teachers.history import Epoch, History, Progress
    from ckd_plugins.teachers.listing import ListTeacher
    from ckd_plugins.teachers.recbole_model import RecBoleModel
    from ckd_plugins.teachers.recformer import Recformer
    from ckd_plugins.teachers.text_teacher import TextTeacher
    from ckd_plugins.teachers.unim2rec import UniM2Rec
    from ckd_plugins.teachers.unisrec import UniSRec
    from ckd_plugins.teachers.vqrec import VQRec

__all__ = [
    "Epoch",
    "History",
    "ListTeacher",
    "Progress",
    "RecBoleModel",
    "Recformer",
    "Teacher",
    "TextTeacher",
    "UniM2Rec",
    "UniSRec",
    "VQRec",
]

_HOME = {
    "Epoch": "history",
    "History": "history",
    "ListTeacher": "listing",
    "Progress": "history",
    "RecBoleModel": "recbole_model",
    "Recformer": "recformer.teacher",
    "Teacher": "base",
    "TextTeacher": "text_teacher",
    "UniM2Rec": "unim2rec",
    "UniSRec": "unisrec",
    "VQRec": "vqrec",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562), so that listing plugins does not load torch."""
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
