"""The fixtures for authors of plugins, used as an author would."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import ckd_plugins
from ckd_plugins.registry import get_registry


def test_the_manager_sees_no_installed_plugin(plugin_site, request):
    """An author's tests would depend on what else is installed."""
    source = """
        from ckd_plugins import LossSpec, hookimpl
        @hookimpl
        def ckd_register_losses():
            yield LossSpec(name="intruder", factory="m:f")
    """
    plugin_site("intruder", modules={"intruder_m": source}, entry_points={"intruder": "intruder_m"})
    manager = request.getfixturevalue("ckd_manager")
    assert "intruder" not in manager.names("loss")
    assert "kl" in manager.names("loss")
    assert get_registry() is manager


def test_a_temporary_plugin_works_as_decorator_and_as_call(tmp_plugin, ckd_manager):
    """Both are what an author tries first."""
    seen = []

    @tmp_plugin
    def ckd_before_fit(run):
        seen.append(run)

    def ckd_after_fit(result):
        seen.append(result)

    tmp_plugin(ckd_after_fit)
    ckd_manager.hook.ckd_before_fit(run="run")
    ckd_manager.hook.ckd_after_fit(run="run", result="result")
    assert seen == ["run", "result"]


def test_a_fault_in_a_test_is_raised(tmp_plugin, ckd_manager):
    """A warning instead of an exception would let an author's test pass over a broken plugin."""

    @tmp_plugin
    def ckd_before_fit(run):
        raise ZeroDivisionError

    with pytest.raises(Exception, match="ZeroDivisionError"):
        ckd_manager.hook.ckd_before_fit(run=None)


def test_everything_is_gone_after_the_test(pytester, monkeypatch):
    """Plugins that leak into the next test make failures depend on the order."""
    monkeypatch.setenv("PYTHONPATH", str(Path(ckd_plugins.__file__).parents[1]))
    pytester.makeconftest("from ckd_plugins.testing.plugin import ckd_manager, plugin_site, tmp_plugin")
    pytester.makepyfile(
        """
        import sys
        from ckd_plugins import LossSpec, registry

        def test_one(tmp_plugin, ckd_manager, plugin_site):
            plugin_site("x", modules={"left_over": "y = 1"})
            import left_over
            @tmp_plugin
            def ckd_register_losses():
                yield LossSpec(name="mine", factory="m:f")
            assert "mine" in ckd_manager.names("loss")

        def test_two(ckd_manager):
            assert "mine" not in ckd_manager.names("loss")
            assert "left_over" not in sys.modules

        def test_three():
            assert registry._current is None
        """
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3)


def test_the_site_is_cleared_of_switches(monkeypatch, request):
    """A developer with CKD_NO_PLUGINS=1 in the shell would see every discovery test fail."""
    monkeypatch.setenv("CKD_NO_PLUGINS", "1")
    request.getfixturevalue("plugin_site")
    from ckd_plugins._discovery import Switches

    assert not Switches.read().no_plugins
    assert sys.path[0].endswith("plugin-site")
