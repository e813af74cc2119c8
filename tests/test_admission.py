"""Every way in which a plugin can break its contract is refused as a whole, with a sentence that helps its author."""

from __future__ import annotations

from types import SimpleNamespace

import pluggy
import pytest

from ckd_plugins import LossSpec, PluginError, TeacherSpec, hookimpl, hookspecs
from ckd_plugins._admission import REGISTRATIONS, admit
from ckd_plugins._discovery import Origin

LOSS = LossSpec(name="tv", factory="m:f")


@pytest.fixture
def manager():
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def plugin(**hooks):
    return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


def refusal(manager, candidate):
    with pytest.raises(PluginError) as caught:
        admit(manager, candidate, Origin("p"))
    assert manager.get_plugin("p") is None, "a refused plugin must be gone"
    assert all(not c.get_hookimpls() for c in vars(manager.hook).values() if isinstance(c, pluggy.HookCaller))
    return str(caught.value)


def test_records_come_with_kind_and_origin(manager):
    """Look-ups by kind and errors by origin both depend on it."""
    (record,) = admit(manager, plugin(ckd_register_losses=lambda: [LOSS]), Origin("p"))
    assert (record.kind, record.spec, record.origin.name, str(record)) == ("loss", LOSS, "p", "loss 'tv'")


def test_a_hook_that_returns_none_registers_nothing(manager):
    """A plugin that registers only under a condition just returns."""
    assert admit(manager, plugin(ckd_register_losses=lambda: None), Origin("p")) == []


def test_every_registration_hook_has_a_kind():
    """A new hook without a line in the table would be called by nobody."""
    assert set(REGISTRATIONS) == {name for name in vars(hookspecs) if name.startswith("ckd_register_")}


def test_half_a_generator_counts_as_nothing(manager):
    """Records that were yielded before a failure would make results depend on where it failed."""

    def ckd_register_losses():
        yield LOSS
        raise RuntimeError("disk full")

    message = refusal(manager, plugin(ckd_register_losses=ckd_register_losses))
    assert message == "ckd_register_losses failed: RuntimeError: disk full"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda: LOSS, "must yield LossSpec records, it returned a LossSpec"),
        (lambda: "kl", "must yield LossSpec records, it returned a str"),
        (lambda: ["kl"], "must yield LossSpec records, it yielded a str"),
        (lambda: [LossSpec], "must yield LossSpec records, it yielded the class LossSpec"),
        (lambda: [TeacherSpec(name="t", factory="m:f")], "must yield LossSpec records, it yielded a TeacherSpec"),
        (lambda: [LOSS, LossSpec(name="TV", factory="m:g")], "gives the name 'TV' twice"),
        (lambda: [LossSpec(name="has space", factory="m:f")], "name 'has space' must match"),
        (lambda: [LossSpec(name="x", factory="no colon")], "must read 'package.module:attribute'"),
        (lambda: [LossSpec(name="x", factory=3)], "factory should be str or callable, got 3"),
        (lambda: [LossSpec(name="x", factory="m:f", summary=None)], "LossSpec 'x': summary should be str, got None"),
    ],
)
def test_wrong_yields_are_named(manager, given, says):
    """The author sees what was expected and what came instead."""
    assert says in refusal(manager, plugin(ckd_register_losses=given))


def test_an_async_hook_is_refused(manager, recwarn):
    """Nobody would await it: its records would be lost, with a warning at exit at best."""

    async def ckd_register_losses():
        return [LOSS]

    message = refusal(manager, plugin(ckd_register_losses=ckd_register_losses))
    assert message.endswith("it returned a coroutine")
    assert not recwarn


def test_an_exit_inside_a_hook_is_a_refusal(manager):
    """sys.exit in a plugin would end the host without a word."""

    def ckd_register_losses():
        raise SystemExit(3)

    assert "SystemExit: 3" in refusal(manager, plugin(ckd_register_losses=ckd_register_losses))


def test_an_interrupt_is_the_users(manager):
    """Ctrl-C during start-up must not be taken for a plugin's fault."""

    def ckd_register_losses():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        admit(manager, plugin(ckd_register_losses=ckd_register_losses), Origin("p"))


def test_an_unknown_hook_gets_the_nearest(manager):
    """A misspelt hook would never fire, and nothing would say so."""
    message = refusal(manager, plugin(ckd_register_loss=lambda: None))
    assert message.startswith("there is no hook 'ckd_register_loss'; did you mean 'ckd_register_losses'? (known: ")


def test_an_optional_hook_may_be_unknown(manager):
    """A plugin written for a newer release must load here if it marks its new hooks optional."""
    candidate = SimpleNamespace(ckd_of_the_future=hookimpl(optionalhook=True)(lambda: None))
    assert admit(manager, candidate, Origin("p")) == []


def test_an_unknown_argument_is_named(manager):
    """By itself pluggy would fail at the first call, in the middle of a run."""
    message = refusal(manager, plugin(ckd_after_epoch=lambda run, epok: None))
    assert message.startswith("ckd_after_epoch: ")
    assert "epok" in message


def test_a_missing_mark_is_noticed(manager):
    """The commonest mistake: a hook without @hookimpl is silently never called."""
    message = refusal(manager, SimpleNamespace(ckd_register_losses=lambda: [LOSS]))
    assert message == "ckd_register_losses lacks the mark '@hookimpl' (from ckd_plugins import hookimpl)"


def test_a_plugin_without_hooks_is_noticed(manager):
    """An entry point to the wrong module would be listed as a healthy plugin that does nothing."""
    assert refusal(manager, SimpleNamespace(run=print)).startswith("it has no function marked '@hookimpl'")


def test_a_class_instead_of_an_instance_is_explained(manager):
    """By itself pluggy registers classes and calls their methods without self."""

    class Mine:
        @hookimpl
        def ckd_register_losses(self):
            return [LOSS]

    assert "'plugin = Mine()'" in refusal(manager, Mine)
    assert len(admit(manager, Mine(), Origin("p"))) == 1


def test_a_function_instead_of_a_module_is_explained(manager):
    """An entry point straight to the hook function registers nothing."""
    assert "refers to the function <lambda>" in refusal(manager, hookimpl(lambda: None))


def test_a_wrapper_is_refused(manager):
    """A wrapper that fails half way cannot be told from the hook that it wraps."""

    @hookimpl(wrapper=True)
    def ckd_before_fit(run):
        return (yield)

    assert "is a wrapper" in refusal(manager, SimpleNamespace(ckd_before_fit=ckd_before_fit))


def test_the_same_object_is_not_registered_twice(manager):
    """Two entry points to one module would double every observer."""
    one = plugin(ckd_register_losses=lambda: [LOSS])
    admit(manager, one, Origin("first"))
    with pytest.raises(PluginError, match="registered already, as 'first'"):
        admit(manager, one, Origin("second"))
