"""Run-time hooks: a plugin's fault costs a warning, never a run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from ckd_plugins import PluginError, hookimpl
from ckd_plugins._discovery import Switches
from ckd_plugins.registry import Registry


@pytest.fixture
def registry():
    return Registry(builtins=(), discover=False, switches=Switches())


def add(registry, name, **hooks):
    marked = {k: f if hasattr(f, "ckd_plugins_impl") else hookimpl(f) for k, f in hooks.items()}
    registry.register(SimpleNamespace(**marked), name)


def test_observers_get_what_they_ask_for(registry):
    """A plugin may take a subset of the arguments, so that hooks can grow without breaking it."""
    seen = []
    add(registry, "few", ckd_after_epoch=lambda epoch: seen.append(epoch))
    add(registry, "all", ckd_after_epoch=lambda run, epoch, terms: seen.append((run, epoch, terms)))
    registry.hook.ckd_after_epoch(run="r", epoch=3, terms={"loss": 1.0})
    assert seen == [("r", 3, {"loss": 1.0}), 3]


def test_a_raising_observer_is_isolated_and_silenced(registry, caplog):
    """An epoch-end observer that fails would end a run of hours, or warn at every epoch."""
    calls, seen = [], []

    def bad(epoch):
        calls.append(epoch)
        raise ZeroDivisionError("by zero")

    add(registry, "good", ckd_after_epoch=lambda epoch: seen.append(epoch))
    add(registry, "bad", ckd_after_epoch=bad, ckd_after_fit=lambda: calls.append("fit"))
    for epoch in (0, 1):
        registry.notify("ckd_after_epoch", run=None, epoch=epoch, terms={})
    registry.notify("ckd_after_fit", run=None, result={})
    assert (calls, seen) == ([0], [0, 1])
    (message,) = caplog.messages
    assert "plugin 'bad' is not called again in this run: ckd_after_epoch failed: ZeroDivisionError: by zero" in message


def test_the_next_run_gives_another_chance(registry, caplog):
    """A plugin that failed on one model of a study must see the next one."""
    calls = []

    def bad(run):
        calls.append(run)
        raise ValueError

    add(registry, "bad", ckd_before_fit=bad)
    for run in (1, 2):
        registry.new_run()
        registry.notify("ckd_before_fit", run=run)
    assert calls == [1, 2]
    assert len(caplog.messages) == 2, "the same fault is told in each run: nobody looks for it in the log of another"


def test_an_observer_that_exits_is_isolated(registry, caplog):
    """sys.exit in an observer would end the run without a trace."""

    def leave(run):
        raise SystemExit(1)

    add(registry, "leaver", ckd_before_fit=leave)
    registry.hook.ckd_before_fit(run=None)
    assert "SystemExit" in caplog.text


def test_ctrl_c_inside_an_observer_still_stops(registry):
    """The user's interrupt must not be swallowed as the plugin's fault."""

    def interrupted(run):
        raise KeyboardInterrupt

    add(registry, "slow", ckd_before_fit=interrupted)
    with pytest.raises(KeyboardInterrupt):
        registry.hook.ckd_before_fit(run=None)


def test_decisions_take_the_last_registered_first(registry):
    """The order of pluggy, on which plugins rely to override one another."""
    add(registry, "early", ckd_choose_reader=lambda: "early")
    add(registry, "silent", ckd_choose_reader=lambda: None)
    assert registry.first("ckd_choose_reader", model=None, probe=None) == "early"
    add(registry, "late", ckd_choose_reader=lambda: "late")
    assert registry.hook.ckd_choose_reader(model=None, probe=None) == "late"


def test_tryfirst_and_trylast_are_respected(registry):
    """Own dispatch must not lose pluggy's ordering marks."""
    add(registry, "first", ckd_choose_reader=hookimpl(tryfirst=True)(lambda: "first"))
    add(registry, "last", ckd_choose_reader=hookimpl(trylast=True)(lambda: "last"))
    add(registry, "plain", ckd_choose_reader=lambda: "plain")
    assert registry.first("ckd_choose_reader", model=None, probe=None) == "first"


def test_a_raising_decision_passes_to_the_next(registry, caplog):
    """A plugin's broken reader must not keep the built-in from answering."""

    def bad(model):
        raise RuntimeError("no idea")

    add(registry, "good", ckd_choose_reader=lambda: "built-in")
    add(registry, "bad", ckd_choose_reader=bad)
    assert registry.first("ckd_choose_reader", model=None, probe=None) == "built-in"
    assert "no idea" in caplog.text


def test_nobody_answers(registry):
    """No plugin at all is no error."""
    assert registry.first("ckd_choose_reader", model=None, probe=None) is None


def test_a_builtin_speaks_for_the_host(plugin_site):
    """The built-in reader refuses models without gradients by raising; that refusal is the answer."""
    source = """
        from ckd_plugins import StudentError, hookimpl
        @hookimpl
        def ckd_choose_reader(model, probe):
            raise StudentError("no gradients")
    """
    plugin_site("unused", modules={"fake_builtin": source})
    registry = Registry(builtins=("fake_builtin",), discover=False, switches=Switches())
    with pytest.raises(Exception, match="no gradients"):
        registry.first("ckd_choose_reader", model=None, probe=None)


def test_strict_raises_with_the_cause():
    """An author needs the traceback of the plugin, not a warning."""
    registry = Registry(builtins=(), discover=False, switches=Switches(strict=True))

    def bad(run):
        raise ZeroDivisionError

    add(registry, "bad", ckd_before_fit=bad)
    with pytest.raises(PluginError, match="ckd_before_fit failed") as caught:
        registry.hook.ckd_before_fit(run=None)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_misspelt_call_is_a_defect_of_the_caller(registry):
    """A hook that is called by a wrong name or with wrong arguments would silently never fire."""
    with pytest.raises(AttributeError, match="no hook 'ckd_after_epok'"):
        registry.hook.ckd_after_epok  # noqa: B018
    with pytest.raises(TypeError, match="ckd_before_fit takes"):
        registry.hook.ckd_before_fit(runn=None)


def test_what_an_observer_does_to_the_process_ends_with_its_call(registry):
    """An observer that seeds torch made every epoch draw the same; one that turned gradients off ended the run."""

    def meddles(epoch):
        torch.manual_seed(0)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        raise ValueError("and fails")

    add(registry, "meddler", ckd_after_epoch=meddles)
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    registry.notify("ckd_after_epoch", run=None, epoch=0, terms={})
    assert torch.equal(torch.rand(2), expected)
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32
