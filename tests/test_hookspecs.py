"""Every hook is documented with an example that runs, and is called with the arguments that it declares."""

from __future__ import annotations

import doctest
import inspect
from types import SimpleNamespace

import pytest

from ckd_plugins import hookimpl, hookspecs
from ckd_plugins._admission import REGISTRATIONS
from ckd_plugins._discovery import Switches
from ckd_plugins.registry import Registry

HOOKS = {name: function for name, function in vars(hookspecs).items() if name.startswith("ckd_")}
RUN_TIME = {name: function for name, function in HOOKS.items() if name not in REGISTRATIONS}


@pytest.fixture
def registry():
    return Registry(builtins=(), discover=False, switches=Switches(strict=True))


def test_the_hooks_are_the_promised_ones():
    """A hook that disappears breaks every plugin that implements it."""
    assert set(HOOKS) == {
        "ckd_register_students",
        "ckd_register_teachers",
        "ckd_register_losses",
        "ckd_register_integrators",
        "ckd_register_candidates",
        "ckd_register_balances",
        "ckd_register_ramps",
        "ckd_register_difficulties",
        "ckd_register_schedules",
        "ckd_register_importers",
        "ckd_register_text_encoders",
        "ckd_register_commands",
        "ckd_choose_reader",
        "ckd_before_fit",
        "ckd_after_epoch",
        "ckd_after_fit",
    }


@pytest.mark.parametrize("name", HOOKS)
def test_the_docstring_says_when_and_shows_how(name):
    """A hook without words and example is found by nobody."""
    text = inspect.getdoc(HOOKS[name]) or ""
    assert "Example:" in text
    assert f"def {name}(" in text


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_runs_and_its_plugin_is_accepted(name, registry):
    """An example that no longer works teaches the old interface."""
    example = doctest.DocTestParser().get_doctest(HOOKS[name].__doc__ or "", {}, name, None, 0)
    assert example.examples
    namespace: dict[str, object] = {}
    for part in example.examples:
        exec(part.source, namespace)
    registry.register(SimpleNamespace(**{name: namespace[name]}), "example")
    (row,) = registry.plugins()
    assert row.hooks == (name,)
    assert len(row.components) == (name in REGISTRATIONS)


@pytest.mark.parametrize("name", RUN_TIME)
def test_a_run_time_hook_gives_every_argument_that_it_declares(name, registry):
    """An argument that is declared and never given would raise inside every plugin that asks for it."""
    declared = list(inspect.signature(RUN_TIME[name]).parameters)
    seen = {}
    function = eval(
        f"lambda {', '.join(declared)}: seen.update({', '.join(f'{a}={a}' for a in declared)})", {"seen": seen}
    )
    registry.register(SimpleNamespace(**{name: hookimpl(function)}), "watcher")
    getattr(registry.hook, name)(**{argument: argument.upper() for argument in declared})
    assert seen == {argument: argument.upper() for argument in declared}


@pytest.mark.parametrize("name", REGISTRATIONS)
def test_a_registration_hook_is_collected_under_its_kind(name, registry):
    """A hook whose records land under another kind is as good as not there."""
    kind, record_type = REGISTRATIONS[name]
    more = {"family": "general"} if kind == "student" else {}
    spec = record_type(name="mine", factory="m:f", **more)
    registry.register(SimpleNamespace(**{name: hookimpl(lambda: [spec])}), "mine")
    assert registry.get(kind, "mine") is spec
    assert registry.names(kind) == ["mine"]
