"""From easy to hard: how hard a row is, how fast the student comes to all of them, and the sampler that draws them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ckd_plugins.curriculum.difficulty import combine
    from ckd_plugins.curriculum.evidence import Evidence
    from ckd_plugins.curriculum.sampler import CurriculumSampler
    from ckd_plugins.curriculum.schedules import Schedule

__all__ = ["CurriculumSampler", "Evidence", "Schedule", "combine"]

_HOME = {
    "CurriculumSampler": "sampler",
    "Evidence": "evidence",
    "Schedule": "schedules",
    "combine": "difficulty",
}


def __getattr__(name: str) -> Any:
    # Lazy, because the sampler imports torch and the command line must start without it.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
