"""Calls of run-time hooks that survive what a plugin does.

pluggy lets an exception of one implementation through to the caller, which here would end a training run of hours
for the sake of an observer. So each implementation is called on its own, in pluggy's order (last registered first,
``tryfirst`` and ``trylast`` respected). A plugin that raises is warned about once and not called again until the next
run, and what it does to random states and to torch's switches ends with the call. Built-ins are no plugins in this
respect: what they raise is meant, or a defect, and goes to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pluggy

from ckd_plugins._discovery import FAULTS, Origin, PluginProblem, sentence
from ckd_plugins._states import states_kept

__all__ = ["Hooks"]


class Hooks:
    """Attribute access to the run-time hooks, each a safe call with keyword arguments."""

    def __init__(
        self, manager: pluggy.PluginManager, origins: dict[str, Origin], fault: Callable[[PluginProblem], None]
    ) -> None:
        self._manager, self._origins, self._fault = manager, origins, fault
        self._silenced: set[str] = set()

    def __getattr__(self, hook: str) -> Callable[..., Any]:
        caller = getattr(self._manager.hook, hook, None) if hook.startswith("ckd_") else None
        if caller is None or caller.spec is None:
            raise AttributeError(f"there is no hook {hook!r}")
        first = bool(caller.spec.opts.get("firstresult"))
        return lambda **arguments: self.first(hook, **arguments) if first else self.notify(hook, **arguments)

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call every observer."""
        for _ in self._results(hook, arguments):
            pass

    def first(self, hook: str, **arguments: Any) -> Any:
        """The first answer that is not ``None``, or ``None``."""
        return next((result for result in self._results(hook, arguments) if result is not None), None)

    def new_run(self) -> None:
        """Give plugins that raised in an earlier run another chance."""
        self._silenced.clear()

    def _results(self, hook: str, arguments: dict[str, Any]) -> Iterator[Any]:
        caller = getattr(self._manager.hook, hook)
        assert caller.spec is not None
        if set(arguments) != set(caller.spec.argnames):
            raise TypeError(f"{hook} takes {list(caller.spec.argnames)}, not {list(arguments)}")
        for impl in reversed(caller.get_hookimpls()):
            # A plugin may take fewer arguments than the hook offers, so that hooks can grow.
            values = [arguments[name] for name in impl.argnames]
            origin = self._origins[impl.plugin_name]
            if origin.builtin:
                yield impl.function(*values)
            elif impl.plugin_name not in self._silenced:
                yield self._guarded(impl, values, origin, hook)

    def _guarded(self, impl: pluggy.HookImpl, values: list[Any], origin: Origin, hook: str) -> Any:
        try:
            with states_kept():
                return impl.function(*values)
        except FAULTS as error:
            self._silenced.add(impl.plugin_name)
            what = f"{hook} failed: {sentence(error)}"
            self._fault(PluginProblem(origin, what, "is not called again in this run", error))
            return None
