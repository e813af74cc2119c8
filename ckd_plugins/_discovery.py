"""Finding plugins of other distributions through the entry-point group, one by one and without trusting any.

An installed distribution may be damaged, its plugin may not import, or may even exit the interpreter. Nothing here
raises for that: what went wrong becomes a :class:`PluginProblem` that says how to switch the culprit off.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

from ckd_plugins.hookspecs import PROJECT

__all__ = ["FAULTS", "Origin", "PluginProblem", "Switches", "entry_points", "sentence"]

FAULTS = (Exception, SystemExit)
"""What a plugin may throw and the host survives; ``KeyboardInterrupt`` is the user's, not the plugin's."""


@dataclass(frozen=True)
class Origin:
    """Where a plugin comes from."""

    name: str
    """The entry point's name, by which ``CKD_DISABLE`` knows it; a module's name for a built-in."""
    distribution: str | None = None
    version: str | None = None
    value: str = ""
    """``package.module`` or ``package.module:attribute``."""
    builtin: bool = False

    @property
    def key(self) -> str:
        """Unique among plugins: two distributions may well call their entry points alike."""
        return self.name if self.builtin or self.distribution is None else f"{self.distribution}:{self.name}"

    def __str__(self) -> str:
        if self.builtin:
            return "ckd-plugins itself"
        if self.distribution is None:
            return f"plugin {self.name!r}"
        return f"plugin {self.name!r} ({self.distribution} {self.version})"

    @property
    def remedy(self) -> str:
        """How to get rid of the plugin, cheapest first."""
        if self.distribution is None:
            return "remove it with get_registry().unregister()"
        return f"switch it off with CKD_DISABLE={self.name} or CKD_NO_PLUGINS=1, or pip uninstall {self.distribution}"


@dataclass(frozen=True)
class PluginProblem:
    """One thing that is wrong with a plugin; reads as one line."""

    origin: Origin
    what: str
    """The fault, with the hook or the record in which it lies."""
    consequence: str = "is left out"
    error: BaseException | None = None
    """What was raised, if anything was."""

    def __str__(self) -> str:
        remedy = f" ({self.origin.remedy})" if not self.origin.builtin else ""
        return f"{self.origin} {self.consequence}: {self.what}{remedy}"


@dataclass(frozen=True)
class Switches:
    """The environment's say in what is loaded."""

    no_plugins: bool = False
    """``CKD_NO_PLUGINS=1``: built-ins only."""
    disabled: frozenset[str] = frozenset()
    """``CKD_DISABLE=a,b``: entry points or distributions, in any spelling that pip would take."""
    strict: bool = False
    """``CKD_STRICT=1``: the first fault raises, with its traceback. For authors of plugins."""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Switches:
        """Read the switches from the environment."""
        environ = os.environ if environ is None else environ
        names = re.split(r"[,\s]+", environ.get("CKD_DISABLE", ""))
        return cls(
            no_plugins=_on(environ.get("CKD_NO_PLUGINS")),
            disabled=frozenset(_normal(name) for name in names if name),
            strict=_on(environ.get("CKD_STRICT")),
        )

    def off(self, origin: Origin) -> bool:
        """Whether the environment switches this plugin off."""
        return self.no_plugins or not self.disabled.isdisjoint(self.spellings(origin))

    @staticmethod
    def spellings(origin: Origin) -> set[str]:
        """Names by which ``CKD_DISABLE`` knows a plugin."""
        return {_normal(name) for name in (origin.name, origin.distribution) if name}


def entry_points() -> Iterator[tuple[Origin, EntryPoint | PluginProblem]]:
    """Yield the group's entry points in order of distribution and name, so that every machine loads them alike.

    Only metadata is read: nothing is imported. A distribution that is found twice on ``sys.path`` counts once, as the
    import system would take it.
    """
    seen: set[str] = set()
    found: list[tuple[Origin, EntryPoint | PluginProblem]] = []
    for distribution in distributions():
        text = _entry_point_text(distribution)
        if PROJECT not in text:
            continue
        try:
            name, version = _identity(distribution)
            group = [e for e in distribution.entry_points if e.group == PROJECT]
        except FAULTS as error:
            origin = _from_folder(distribution)
            found.append((origin, PluginProblem(origin, f"its metadata are damaged: {sentence(error)}", error=error)))
            continue
        if group and _normal(name) not in seen:
            seen.add(_normal(name))
            found += [(Origin(e.name, name, version, e.value), e) for e in group]
    yield from sorted(found, key=lambda pair: (_normal(pair[0].distribution or ""), pair[0].name))


def _identity(distribution: Distribution) -> tuple[str, str]:
    metadata = distribution.metadata
    if "Name" not in metadata or "Version" not in metadata:
        raise ValueError("METADATA lacks Name or Version")
    return metadata["Name"], metadata["Version"]


def _from_folder(distribution: Distribution) -> Origin:
    """What the folder's name ``<name>-<version>.dist-info`` says when its content says nothing."""
    folder = Path(str(getattr(distribution, "_path", "unknown"))).stem
    name, _, version = folder.partition("-")
    return Origin(name, name, version or "?")


def _entry_point_text(distribution: Distribution) -> str:
    # Reading one small file decides for nearly every distribution; parsing the metadata of all would cost 100 ms.
    try:
        return distribution.read_text("entry_points.txt") or ""
    except FAULTS:
        return ""


def sentence(error: BaseException) -> str:
    """An exception as one line: its type and its last non-empty line of text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _on(value: str | None) -> bool:
    return (value or "").strip().lower() not in ("", "0", "false", "no", "off")
