"""One run from config to result."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ckd_plugins.training.entry import distill
    from ckd_plugins.training.finetune import finetune_teacher
    from ckd_plugins.training.per_user import PerUser, read_per_user
    from ckd_plugins.training.pretrain import pretrain_teacher
    from ckd_plugins.training.run import Run
    from ckd_plugins.training.subscribe import register_students

__all__ = [
    "PerUser",
    "Run",
    "distill",
    "finetune_teacher",
    "pretrain_teacher",
    "read_per_user",
    "register_students",
]

_HOME = {
    "PerUser": "per_user",
    "Run": "run",
    "distill": "entry",
    "finetune_teacher": "finetune",
    "pretrain_teacher": "pretrain",
    "read_per_user": "per_user",
    "register_students": "subscribe",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
