"""Everything that can be named in a config: who registered it, and how to get it.

Built-in components come through the same hooks as everybody else's. The built-ins load first and must load; plugins
of other distributions load one by one, and a broken one is left out as a whole, with one warning, while the rest
works. Nothing here imports torch or RecBole: records say where code is, and the code loads when it is asked for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any

import pluggy

from ckd_plugins import hookspecs
from ckd_plugins._admission import REGISTRATIONS, Record, admit
from ckd_plugins._claims import Claims
from ckd_plugins._discovery import FAULTS, Origin, PluginProblem, Switches, entry_points, sentence
from ckd_plugins._dispatch import Hooks
from ckd_plugins._version import __version__
from ckd_plugins.errors import PluginError, UnknownNameError, did_you_mean
from ckd_plugins.specs import Spec

__all__ = ["BUILTINS", "KINDS", "Origin", "PluginProblem", "PluginRow", "Record", "Registry", "get_registry", "using"]

BUILTINS = tuple(
    f"ckd_plugins.{room}.builtin" for room in ("domains", "teachers", "distillation", "curriculum", "students", "cli")
)
"""Modules of built-in plugins, by name: the registry stands below the rooms and imports none of them by itself."""

KINDS = tuple(kind for kind, _ in REGISTRATIONS.values())
"""Kinds of component: ``student``, ``teacher``, ``loss``, ..."""

_log = logging.getLogger("ckd_plugins")


@dataclass(frozen=True)
class PluginRow:
    """One line of ``ckd plugins list``."""

    name: str
    distribution: str | None
    version: str | None
    entry_point: str
    hooks: tuple[str, ...]
    components: tuple[str, ...]
    """``"kind:name"`` of every record that can be used."""
    status: str
    """``ok``; ``conflict`` (a record lost its name); ``broken`` or ``disabled`` (nothing of it is loaded)."""
    builtin: bool = False
    error: str | None = None


class Registry:
    """Plugins, their records by kind and name, and safe calls of run-time hooks.

    Args:
        builtins: modules of built-in plugins, :data:`BUILTINS` by default.
        discover: load plugins of other distributions; ``False`` in tests.
        switches: what to leave out; read from the environment by default.

    Raises:
        PluginError: a fault of a plugin under ``CKD_STRICT=1``.

    Example:
        >>> from ckd_plugins.registry import Registry
        >>> registry = Registry(builtins=(), discover=False)
        >>> registry.names("loss")
        []
    """

    def __init__(
        self, *, builtins: Iterable[str] | None = None, discover: bool = True, switches: Switches | None = None
    ) -> None:
        self._switches = Switches.read() if switches is None else switches
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._origins: dict[str, Origin] = {}
        self._left_out: list[tuple[Origin, PluginProblem | None]] = []
        self._claims = Claims()
        self._warned: set[str] = set()
        self.hook = Hooks(self._manager, self._origins, self._fault)
        """Run-time hooks, each a safe call: ``registry.hook.ckd_after_epoch(run=run, epoch=1, terms={})``."""
        for module in BUILTINS if builtins is None else builtins:
            self._add(import_module(module), Origin(module, "ckd-plugins", __version__, module, builtin=True))
        for problem in self._claims.conflicts():
            raise PluginError(str(problem))
        if discover:
            self._discover()
        for problem in self._claims.conflicts():
            self._fault(problem)

    def get(self, kind: str, name: str) -> Spec:
        """The record that is registered under a name.

        Args:
            kind: one of :data:`KINDS`.
            name: exactly as registered.

        Raises:
            UnknownNameError: nothing has that name; the message has the nearest and the list.
            PluginError: two plugins claim the name.
        """
        return self.record(kind, name).spec

    def record(self, kind: str, name: str) -> Record:
        """As :meth:`get`, with where the record comes from."""
        if kind not in KINDS:
            raise UnknownNameError("kind of component", kind, KINDS)
        return self._claims.find(kind, name)

    def records(self, kind: str | None = None) -> list[Record]:
        """Records in use, built-ins first, of one kind or of all."""
        return self._claims.used(kind)

    def names(self, kind: str) -> list[str]:
        """Every name of a kind that :meth:`get` knows, sorted."""
        return sorted(record.spec.name for record in self._claims.used(kind))

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call every observer of a hook; one that raises is warned about and left alone for the rest of the run."""
        self.hook.notify(hook, **arguments)

    def first(self, hook: str, **arguments: Any) -> Any:
        """The first answer to a decision hook that is not ``None``; a plugin that raises is passed over."""
        return self.hook.first(hook, **arguments)

    def new_run(self) -> None:
        """Say that a run begins: plugins that raised in an earlier one get another chance, and another warning."""
        self.hook.new_run()
        self._warned.clear()

    def register(self, plugin: object, name: str) -> None:
        """Add a plugin by hand: a module, or an object with marked methods (a notebook, a test).

        Raises:
            PluginError: it breaks a hook's contract, or claims a name that is taken; nothing of it is added then.
        """
        origin = Origin(name)
        self._add(plugin, origin)
        lost = [problem for problem in self._claims.conflicts() if problem.origin == origin]
        if lost:
            self.unregister(name)
            raise PluginError(str(lost[0]))

    def unregister(self, name: str) -> None:
        """Take out a plugin that :meth:`register` added, with its records."""
        if name not in self._origins:
            raise UnknownNameError("plugin", name, self._origins)
        self._manager.unregister(name=name)
        self._claims.drop(self._origins.pop(name))

    def plugins(self) -> list[PluginRow]:
        """Every plugin, loaded or not, in the order of loading."""
        lost = {problem.origin: problem for problem in self._claims.conflicts()}
        rows = [self._row(o, "conflict" if o in lost else "ok", lost.get(o)) for o in self._origins.values()]
        return rows + [self._row(o, "broken" if problem else "disabled", problem) for o, problem in self._left_out]

    def problems(self) -> list[PluginProblem]:
        """What is wrong with the plugins that are installed; empty when all is well."""
        return [problem for _, problem in self._left_out if problem is not None] + list(self._claims.conflicts())

    def _row(self, origin: Origin, status: str, problem: PluginProblem | None) -> PluginRow:
        plugin = self._manager.get_plugin(origin.key) if origin.key in self._origins else None
        callers = (self._manager.get_hookcallers(plugin) if plugin is not None else None) or []
        used = [f"{r.kind}:{r.spec.name}" for r in self._claims.used() if r.origin == origin]
        return PluginRow(
            name=origin.name,
            distribution=origin.distribution,
            version=origin.version,
            entry_point=origin.value,
            hooks=tuple(sorted(caller.name for caller in callers)),
            components=tuple(used),
            status=status,
            builtin=origin.builtin,
            error=None if problem is None else problem.what,
        )

    def _discover(self) -> None:
        known: set[str] = set()
        for origin, entry_point in entry_points():
            known |= Switches.spellings(origin)
            if self._switches.off(origin):
                self._left_out.append((origin, None))
            elif isinstance(entry_point, PluginProblem):
                self._leave_out(entry_point)
            else:
                self._load(origin, entry_point)
        for name in sorted(self._switches.disabled - known):
            _log.warning("CKD_DISABLE names no installed plugin: %s%s", name, did_you_mean(name, known))

    def _load(self, origin: Origin, entry_point: EntryPoint) -> None:
        try:
            plugin = entry_point.load()
        except FAULTS as error:
            what = f"import of {origin.value!r} failed: {sentence(error)}"
            self._leave_out(PluginProblem(origin, what, error=error))
            return
        try:
            self._add(plugin, origin)
        except PluginError as error:
            self._leave_out(PluginProblem(origin, str(error), error=error.__cause__ or error))

    def _add(self, plugin: object, origin: Origin) -> None:
        if origin.key in self._origins:
            raise PluginError(f"the name {origin.name!r} is taken by {self._origins[origin.key]}")
        for record in admit(self._manager, plugin, origin):
            self._claims.add(record)
        self._origins[origin.key] = origin

    def _leave_out(self, problem: PluginProblem) -> None:
        self._left_out.append((problem.origin, problem))
        self._fault(problem)

    def _fault(self, problem: PluginProblem) -> None:
        if self._switches.strict:
            raise PluginError(str(problem)) from problem.error
        if str(problem) not in self._warned:
            self._warned.add(str(problem))
            _log.warning("%s", problem)


_lock = threading.RLock()
_current: Registry | None = None
_loading = False


def get_registry() -> Registry:
    """The process's registry, loaded on first use.

    Raises:
        PluginError: a plugin asked for it while being imported.
    """
    global _current, _loading
    with _lock:
        if _loading:
            raise PluginError("the registry was asked for while it loads; ask for it inside functions, not on import")
        if _current is None:
            _loading = True
            try:
                _current = Registry()
            finally:
                _loading = False
        return _current


@contextmanager
def using(registry: Registry) -> Iterator[Registry]:
    """Make another registry the process's own for a while (tests)."""
    global _current
    before, _current = _current, registry
    try:
        yield registry
    finally:
        _current = before
