"""One exception tree. Every message says what went wrong, where, and what to do.

The command line prints a :class:`CkdError` as one line and exits with status 2; a traceback is for
defects of this package, not for mistakes of its user.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "CheckpointError",
    "CkdError",
    "ConfigError",
    "DataError",
    "EnvironmentProblem",
    "PluginError",
    "SignalError",
    "StudentError",
    "TeacherError",
    "UnknownNameError",
    "did_you_mean",
]


class CkdError(Exception):
    """Base of all errors that a user can cause and mend."""


class CheckpointError(CkdError):
    """A file of weights is missing, damaged, or asks for what could run code."""


class ConfigError(CkdError):
    """A setting is unknown, malformed, or contradicts another one."""


class DataError(CkdError):
    """A dataset is missing, lacks a column, or has nothing left after filtering."""


class EnvironmentProblem(CkdError):
    """An installed package has a version with which RecBole gives wrong results or none."""


class PluginError(CkdError):
    """A plugin broke the contract of its hook; the message names its distribution and version."""


class SignalError(CkdError):
    """A store of a teacher's knowledge is damaged, incomplete, or does not fit the run."""


class StudentError(CkdError):
    """A model cannot be distilled into, with the reason."""


class TeacherError(CkdError):
    """A teacher cannot be built, trained, loaded or asked."""


class UnknownNameError(ConfigError):
    """A name that nothing is registered under; carries the nearest valid names.

    Args:
        kind: what the name should have been, in the singular ("teacher", "loss").
        name: the name that was given.
        valid: every name that would have been right.
    """

    def __init__(self, kind: str, name: str, valid: Iterable[str]) -> None:
        choices = sorted(valid)
        self.kind, self.name, self.valid = kind, name, choices
        known = ", ".join(choices) if choices else "none"
        super().__init__(f"unknown {kind} {name!r}{did_you_mean(name, choices)} (known: {known})")


def did_you_mean(name: str, valid: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest valid name, or ``""`` when none is near.

    Args:
        name: what was given.
        valid: what would have been right.
        cutoff: how alike, from 0 to 1, two names must be.
    """
    by_lower = {v.lower(): v for v in valid}
    near = get_close_matches(str(name).lower(), by_lower, n=1, cutoff=cutoff)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""
