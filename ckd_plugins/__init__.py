"""Multi-teacher distillation for any RecBole model: pre-trained teachers, cached signals, a curriculum, plugins.

Importing the package costs milliseconds: every name below loads its module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ckd_plugins._version import __version__

if TYPE_CHECKING:
    from ckd_plugins.errors import (
        CheckpointError,
        CkdError,
        ConfigError,
        DataError,
        EnvironmentProblem,
        PluginError,
        SignalError,
        StudentError,
        TeacherError,
        UnknownNameError,
    )
    from ckd_plugins.hookspecs import hookimpl
    from ckd_plugins.registry import get_registry
    from ckd_plugins.specs import (
        BalanceSpec,
        CandidatesSpec,
        CommandSpec,
        DifficultySpec,
        ImporterSpec,
        IntegratorSpec,
        LossSpec,
        RampSpec,
        ScheduleSpec,
        StudentSpec,
        TeacherSpec,
        TextEncoderSpec,
    )
    from ckd_plugins.students import attach
    from ckd_plugins.training import distill, register_students

__all__ = [
    "BalanceSpec",
    "CandidatesSpec",
    "CheckpointError",
    "CkdError",
    "CommandSpec",
    "ConfigError",
    "DataError",
    "DifficultySpec",
    "EnvironmentProblem",
    "ImporterSpec",
    "IntegratorSpec",
    "LossSpec",
    "PluginError",
    "RampSpec",
    "ScheduleSpec",
    "SignalError",
    "StudentError",
    "StudentSpec",
    "TeacherError",
    "TeacherSpec",
    "TextEncoderSpec",
    "UnknownNameError",
    "__version__",
    "attach",
    "distill",
    "get_registry",
    "hookimpl",
    "register_students",
]

_HOME = {
    "attach": "students",
    "distill": "training",
    "get_registry": "registry",
    "hookimpl": "hookspecs",
    "register_students": "training",
}


def _home(name: str) -> str:
    if name.endswith("Spec"):
        return "specs"
    return _HOME.get(name, "errors")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_home(name)}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
