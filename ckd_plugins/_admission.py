"""The door for plugins: what a plugin must be, and the records that its registration hooks yield.

All or nothing: a plugin whose hooks break their contract adds nothing, so that what runs never depends on how far a
broken plugin got.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pluggy

from ckd_plugins import hookspecs, specs
from ckd_plugins._discovery import FAULTS, Origin, sentence
from ckd_plugins.errors import CkdError, ConfigError, PluginError, did_you_mean

__all__ = ["REGISTRATIONS", "Record", "admit"]

REGISTRATIONS: dict[str, tuple[str, type[specs.Spec]]] = {
    "ckd_register_students": ("student", specs.StudentSpec),
    "ckd_register_teachers": ("teacher", specs.TeacherSpec),
    "ckd_register_losses": ("loss", specs.LossSpec),
    "ckd_register_integrators": ("integrator", specs.IntegratorSpec),
    "ckd_register_candidates": ("candidates", specs.CandidatesSpec),
    "ckd_register_balances": ("balance", specs.BalanceSpec),
    "ckd_register_ramps": ("ramp", specs.RampSpec),
    "ckd_register_difficulties": ("difficulty", specs.DifficultySpec),
    "ckd_register_schedules": ("schedule", specs.ScheduleSpec),
    "ckd_register_importers": ("importer", specs.ImporterSpec),
    "ckd_register_text_encoders": ("text_encoder", specs.TextEncoderSpec),
    "ckd_register_commands": ("command", specs.CommandSpec),
}
"""Start-up hooks: the kind of component, and the record that the hook must yield."""

_HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("ckd_"))


@dataclass(frozen=True)
class Record:
    """A registered component and where it comes from."""

    kind: str
    spec: specs.Spec
    origin: Origin

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.spec.name!r}"

    def load(self) -> Any:
        """Import the component's code; whoever needs it asks here, not :meth:`Spec.load`, which lets all through.

        Raises:
            PluginError: it is a plugin's, and loading it fails, in whatever way.
            ConfigError: it is built in, and a package that it needs is missing.
        """
        try:
            with self.guarded("be imported"):
                return self.spec.load()
        except ImportError as error:
            raise ConfigError(f"{self} cannot be imported: {error}{self._install()}") from error

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Tell in one line whose fault it is when a plugin's code throws something, or exits; a built-in's goes on.

        Args:
            what: what the component cannot do then: ``"be built"``.

        Raises:
            PluginError: with the record, where it comes from, and what to do.
            CkdError: as the plugin raised it.
        """
        try:
            yield
        except CkdError:
            raise
        except FAULTS as error:
            if self.origin.builtin:
                raise
            remedy = self._install() if isinstance(error, ImportError) else ""
            remedy = remedy or "; tell its authors (CKD_STRICT=1 shows where it fails)"
            raise PluginError(f"{self} of {self.origin} cannot {what}: {sentence(error)}{remedy}") from error

    @contextmanager
    def named(self) -> Iterator[None]:
        """Let a fault that is told as if its name went before say whose it is: ``"gives weights that ..."``.

        Raises:
            PluginError: with the record, and where it comes from.
        """
        try:
            yield
        except PluginError as error:
            raise PluginError(f"{self} of {self.origin} {error}") from error

    def _install(self) -> str:
        packages = getattr(self.spec, "packages", ())
        return f"; install it with: pip install {' '.join(packages)}" if packages else ""


def admit(manager: pluggy.PluginManager, plugin: object, origin: Origin) -> list[Record]:
    """Register a plugin and collect its records; on any fault it is taken out again.

    Raises:
        PluginError: what is wrong, without naming the plugin; the caller does.
    """
    _check_object(plugin)
    if manager.is_registered(plugin):
        raise PluginError(f"it is registered already, as {manager.get_name(plugin)!r}")
    try:
        manager.register(plugin, name=origin.key)
    except pluggy.PluginValidationError as error:
        _remove(manager, origin)
        hook = next((name for name in _HOOKS if f"{name!r}" in str(error)), "a hook")
        raise PluginError(f"{hook}: {sentence(error).partition(': ')[2]}") from error
    except FAULTS as error:
        _remove(manager, origin)
        raise PluginError(f"it cannot be registered: {sentence(error)}") from error
    try:
        _check_hooks(manager, plugin, origin)
        return list(_collect(manager, plugin, origin))
    except PluginError:
        _remove(manager, origin)
        raise


def _remove(manager: pluggy.PluginManager, origin: Origin) -> None:
    if manager.get_plugin(origin.key) is not None:
        manager.unregister(name=origin.key)


def _check_object(plugin: object) -> None:
    if inspect.isclass(plugin):
        raise PluginError(
            f"its entry point refers to the class {plugin.__name__}; a plugin is a module or an instance: write "
            f"'plugin = {plugin.__name__}()' in {plugin.__module__} and refer to that"
        )
    if inspect.isroutine(plugin):
        name = getattr(plugin, "__name__", "it")
        raise PluginError(f"its entry point refers to the function {name}; refer to the module that holds the hooks")


def _check_hooks(manager: pluggy.PluginManager, plugin: object, origin: Origin) -> None:
    callers = manager.get_hookcallers(plugin) or []
    found = {caller.name for caller in callers}
    for name in _HOOKS:
        if name not in found and inspect.isroutine(inspect.getattr_static(plugin, name, None)):
            raise PluginError(f"{name} lacks the mark '@hookimpl' (from ckd_plugins import hookimpl)")
    if not found:
        raise PluginError("it has no function marked '@hookimpl' (from ckd_plugins import hookimpl)")
    for caller in callers:
        for impl in (i for i in caller.get_hookimpls() if i.plugin is plugin):
            if not caller.has_spec() and not impl.optionalhook:
                near = did_you_mean(caller.name, _HOOKS)
                raise PluginError(f"there is no hook {caller.name!r}{near} (known: {', '.join(_HOOKS)})")
            if impl.wrapper or impl.hookwrapper:
                raise PluginError(f"{caller.name} is a wrapper, which cannot be isolated; write a plain hook")


def _collect(manager: pluggy.PluginManager, plugin: object, origin: Origin) -> Iterator[Record]:
    seen: set[tuple[str, str]] = set()
    for hook, (kind, record_type) in REGISTRATIONS.items():
        for impl in getattr(manager.hook, hook).get_hookimpls():
            if impl.plugin is not plugin:
                continue
            for spec in _records(hook, impl.function, record_type):
                key = (kind, spec.name.lower())
                if key in seen:
                    raise PluginError(f"{hook} gives the name {spec.name!r} twice")
                seen.add(key)
                yield Record(kind, spec, origin)


def _records(hook: str, function: Any, record_type: type[specs.Spec]) -> list[specs.Spec]:
    try:
        given = function()
        if inspect.iscoroutine(given):
            given.close()
        elif given is None:
            return []
        records = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else given
    except FAULTS as error:
        raise PluginError(f"{hook} failed: {sentence(error)}") from error
    wanted = record_type.__name__
    if not isinstance(records, list):
        raise PluginError(f"{hook} must yield {wanted} records, it returned {_a(records)}")
    for record in records:
        if not isinstance(record, record_type):
            raise PluginError(f"{hook} must yield {wanted} records, it yielded {_a(record)}")
    return records


def _a(thing: object) -> str:
    return f"the class {thing.__name__}" if inspect.isclass(thing) else f"a {type(thing).__name__}"
