"""The registry with real distributions on disk: a broken plugin harms nothing, and says who it is."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from ckd_plugins import LossSpec, PluginError, UnknownNameError, hookimpl
from ckd_plugins import registry as module
from ckd_plugins.registry import BUILTINS, KINDS, Registry, get_registry, using

GOOD = """
    from ckd_plugins import LossSpec, hookimpl
    @hookimpl
    def ckd_register_losses():
        yield LossSpec(name="{name}", factory="{module}:make", summary="made up")
    def make(tau: float = 1.0):
        return tau
"""

BROKEN = {
    "import error": ("import not_installed_anywhere", "ModuleNotFoundError: No module named 'not_installed_anywhere'"),
    "syntax error": ("def (", "SyntaxError"),
    "exit on import": ("import sys; sys.exit(7)", "SystemExit: 7"),
    "exception on import": ("raise RuntimeError('GPU\\nis on fire')", "RuntimeError: is on fire"),
    "bad signature": (
        "from ckd_plugins import hookimpl\n@hookimpl\ndef ckd_after_epoch(epok): ...",
        "ckd_after_epoch: ",
    ),
    "wrong yield": (
        "from ckd_plugins import hookimpl\n@hookimpl\ndef ckd_register_losses(): yield 'kl'",
        "must yield LossSpec records",
    ),
    "invalid name": (
        "from ckd_plugins import hookimpl, LossSpec\n"
        "@hookimpl\ndef ckd_register_losses(): yield LossSpec(name='a b', factory='m:f')",
        "name 'a b' must match",
    ),
    "raises half way": (
        "from ckd_plugins import hookimpl, LossSpec\n@hookimpl\ndef ckd_register_losses():\n"
        "    yield LossSpec(name='half', factory='m:f')\n    raise OSError('no disk')",
        "ckd_register_losses failed: OSError: no disk",
    ),
    "unknown hook": (
        "from ckd_plugins import hookimpl\n@hookimpl\ndef ckd_register_lossses(): ...",
        "did you mean 'ckd_register_losses'?",
    ),
    "asks for the registry": (
        "from ckd_plugins import get_registry\nget_registry()",
        "the registry was asked for while it loads",
    ),
}


def install(plugin_site, name, source=None):
    module_name = f"{name}_module"
    source = source if source is not None else GOOD.format(name=f"{name}_loss", module=module_name)
    plugin_site(f"{name}-dist", "1.5", modules={module_name: source}, entry_points={name: module_name})


def load(monkeypatch):
    """The process's registry, loaded afresh and without built-ins."""
    monkeypatch.setattr(module, "_current", None)
    monkeypatch.setattr(module, "BUILTINS", ())
    return get_registry()


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_harms_nothing(plugin_site, monkeypatch, caplog, fault):
    """One bad package in an environment would take the whole command line down with it."""
    source, says = BROKEN[fault]
    install(plugin_site, "a_good")
    install(plugin_site, "broken", source)
    install(plugin_site, "z_good")
    registry = load(monkeypatch)
    assert {"a_good_loss", "z_good_loss"} <= set(registry.names("loss"))
    assert "half" not in registry.names("loss"), "all or nothing"
    (problem,) = registry.problems()
    assert says in str(problem)
    assert str(problem).startswith("plugin 'broken' (broken-dist 1.5) is left out: ")
    for remedy in ("CKD_DISABLE=broken", "CKD_NO_PLUGINS=1", "pip uninstall broken-dist"):
        assert remedy in str(problem)
    assert caplog.messages == [str(problem)], "one warning, one line"
    assert "\n" not in str(problem)


@pytest.mark.parametrize("fault", BROKEN)
def test_strict_raises_with_the_traceback(plugin_site, monkeypatch, fault):
    """An author of a plugin needs the place of the failure, not a warning."""
    install(plugin_site, "broken", BROKEN[fault][0])
    monkeypatch.setenv("CKD_STRICT", "1")
    with pytest.raises(PluginError, match="plugin 'broken'") as caught:
        load(monkeypatch)
    assert caught.value.__cause__ is not None


def test_a_disabled_plugin_runs_no_code(plugin_site, monkeypatch, caplog):
    """CKD_DISABLE is the way out when a plugin crashes the interpreter on import."""
    install(plugin_site, "broken", "raise SystemExit")
    install(plugin_site, "fine")
    monkeypatch.setenv("CKD_DISABLE", "Broken_Dist")
    registry = load(monkeypatch)
    assert {row.name: row.status for row in registry.plugins()} == {"fine": "ok", "broken": "disabled"}
    assert "broken_module" not in sys.modules
    assert not caplog.messages
    assert not registry.problems()


def test_no_plugins_means_none(plugin_site, monkeypatch):
    """CKD_NO_PLUGINS=1 tells whether a plugin or this package is at fault."""
    install(plugin_site, "fine")
    monkeypatch.setenv("CKD_NO_PLUGINS", "1")
    registry = load(monkeypatch)
    assert registry.names("loss") == []
    assert [row.status for row in registry.plugins() if row.name == "fine"] == ["disabled"]


def test_disabling_an_unknown_plugin_is_told(plugin_site, monkeypatch, caplog):
    """A misspelt CKD_DISABLE would leave the plugin on without a word."""
    install(plugin_site, "broken")
    monkeypatch.setenv("CKD_DISABLE", "brokn")
    load(monkeypatch)
    assert caplog.messages == ["CKD_DISABLE names no installed plugin: brokn; did you mean 'broken'?"]


def test_rows_tell_everything_about_a_plugin(plugin_site, monkeypatch):
    """`ckd plugins list` and the run's manifest are made of these rows."""
    install(plugin_site, "fine")
    (row,) = [row for row in load(monkeypatch).plugins() if row.name == "fine"]
    assert (row.distribution, row.version, row.entry_point) == ("fine-dist", "1.5", "fine_module")
    assert (row.hooks, row.components) == (("ckd_register_losses",), ("loss:fine_loss",))
    assert (row.status, row.error, row.builtin) == ("ok", None, False)


def test_rivals_are_both_told_and_the_rest_of_each_stays(plugin_site, monkeypatch, caplog):
    """A clash over one name must not cost a plugin its other components."""
    for name in ("one", "two"):
        source = f"""
            from ckd_plugins import ScheduleSpec, LossSpec, hookimpl
            @hookimpl
            def ckd_register_losses():
                yield LossSpec(name="same", factory="m:f")
            @hookimpl
            def ckd_register_schedules():
                yield ScheduleSpec(name="{name}_schedule", factory="m:f")
        """
        install(plugin_site, name, source)
    registry = load(monkeypatch)
    assert {"one_schedule", "two_schedule"} <= set(registry.names("schedule"))
    with pytest.raises(PluginError, match=r"one-dist 1\.5.*two-dist 1\.5"):
        registry.get("loss", "same")
    statuses = {row.name: row.status for row in registry.plugins()}
    assert statuses["one"] == statuses["two"] == "conflict"
    assert sum("loses loss 'same'" in message for message in caplog.messages) == 2


def test_two_distributions_may_call_their_entry_points_alike(plugin_site, monkeypatch):
    """'plugin' is everybody's favourite name."""
    for name in ("one", "two"):
        source = GOOD.format(name=name, module=f"{name}_m")
        plugin_site(f"{name}-dist", modules={f"{name}_m": source}, entry_points={"plugin": f"{name}_m"})
    assert {"one", "two"} <= set(load(monkeypatch).names("loss"))


def test_a_builtin_that_does_not_import_is_a_defect(plugin_site):
    """A package that half works is worse than one that says it is broken."""
    plugin_site("x", modules={"bad_builtin": "import not_installed_anywhere"})
    with pytest.raises(ModuleNotFoundError):
        Registry(builtins=("bad_builtin",), discover=False)


def test_builtins_may_not_clash(plugin_site):
    """Two rooms that register one name would leave it to the order of a tuple."""
    plugin_site(
        "x", modules={"room_a": GOOD.format(name="kl", module="m"), "room_b": GOOD.format(name="KL", module="m")}
    )
    with pytest.raises(PluginError, match="the name is claimed by"):
        Registry(builtins=("room_a", "room_b"), discover=False)


def test_an_unknown_name_gets_the_nearest_and_the_list(plugin_site):
    """A misspelt loss in a config would end in a KeyError."""
    registry = Registry(builtins=(), discover=False)
    registry.register(SimpleNamespace(ckd_register_losses=hookimpl(lambda: [loss("kl"), loss("js")])), "mine")
    with pytest.raises(UnknownNameError) as caught:
        registry.get("loss", "kll")
    assert str(caught.value) == "unknown loss 'kll'; did you mean 'kl'? (known: js, kl)"
    with pytest.raises(UnknownNameError, match=r"unknown text encoder 'x' \(known: none"):
        registry.get("text_encoder", "x")
    with pytest.raises(UnknownNameError, match="unknown kind of component 'lsos'; did you mean 'loss'"):
        registry.get("lsos", "kl")


def test_by_hand_a_clash_is_an_error_and_leaves_nothing(plugin_site):
    """In a notebook the call that failed is the one to mend, at once."""
    registry = Registry(builtins=(), discover=False)
    registry.register(SimpleNamespace(ckd_register_losses=hookimpl(lambda: [loss("tv")])), "first")
    rival = SimpleNamespace(
        ckd_register_losses=hookimpl(lambda: [loss("TV")]), ckd_before_fit=hookimpl(lambda run: 1 / 0)
    )
    with pytest.raises(PluginError, match="the name is claimed by plugin 'first'"):
        registry.register(rival, "second")
    assert registry.get("loss", "tv").name == "tv"
    registry.hook.ckd_before_fit(run=None)  # would warn or raise if the rival's hooks were still there
    assert [row.name for row in registry.plugins()] == ["first"]


def test_what_was_registered_by_hand_can_be_taken_out():
    """A cell that is run twice must be able to replace its plugin."""
    registry = Registry(builtins=(), discover=False)
    for _ in range(2):
        registry.register(SimpleNamespace(ckd_register_losses=hookimpl(lambda: [loss("tv")])), "mine")
        with pytest.raises(PluginError, match="the name 'mine' is taken"):
            registry.register(SimpleNamespace(ckd_register_losses=hookimpl(lambda: None)), "mine")
        registry.unregister("mine")
        assert registry.names("loss") == []
    with pytest.raises(UnknownNameError, match="unknown plugin 'mine'"):
        registry.unregister("mine")


def test_the_process_has_one_registry(monkeypatch):
    """Two registries would call every plugin's start-up twice and split what is registered by hand."""
    assert load(monkeypatch) is get_registry()
    other = Registry(builtins=(), discover=False)
    with using(other):
        assert get_registry() is other
    assert get_registry() is not other


def test_a_failed_start_can_be_repeated(plugin_site, monkeypatch):
    """After an error the registry must not claim for ever that it is still loading."""
    install(plugin_site, "broken", "raise ValueError")
    monkeypatch.setenv("CKD_STRICT", "1")
    for _ in range(2):
        with pytest.raises(PluginError, match="plugin 'broken'"):
            load(monkeypatch)


def test_loading_the_builtins_imports_neither_torch_nor_recbole():
    """Every command, `ckd --help` too, would take seconds."""
    code = (
        "import sys, ckd_plugins.registry as r; r.Registry(discover=False);"
        "print([m for m in ('torch', 'recbole', 'pydantic', 'pandas', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_builtin_record_can_be_loaded_and_has_a_summary():
    """A misspelt reference in a builtin.py shows only when a user asks for that very component."""
    registry = Registry(discover=False)
    assert {row.name for row in registry.plugins()} == set(BUILTINS)
    for record in registry.records():
        assert record.kind in KINDS
        assert callable(record.spec.load()), record
        assert record.spec.summary, record


def loss(name):
    return LossSpec(name=name, factory="m:f")
