"""Whatever lies in site-packages, discovery reads metadata only and never raises."""

from __future__ import annotations

import sys

import pytest

from ckd_plugins._discovery import Origin, PluginProblem, Switches, entry_points, sentence


def found():
    return {origin.name: (origin, what) for origin, what in entry_points()}


def test_an_entry_point_is_found_with_distribution_and_version(plugin_site):
    """Errors could not say which package to uninstall."""
    plugin_site("Good-Plugin", "2.3", entry_points={"good": "good_module:plugin"})
    origin, _ = found()["good"]
    assert origin == Origin("good", "Good-Plugin", "2.3", "good_module:plugin")


def test_finding_imports_nothing(plugin_site):
    """A disabled plugin must not run a line of code."""
    plugin_site("loud", modules={"loud_module": "raise SystemExit"}, entry_points={"loud": "loud_module"})
    assert "loud" in found()
    assert "loud_module" not in sys.modules


def test_entry_points_of_other_groups_are_ignored(plugin_site):
    """A pytest plugin that merely mentions ckd_plugins must not be registered as ours."""
    plugin_site("other", group="pytest11", entry_points={"ckd_plugins": "ckd_plugins_other"})
    assert "ckd_plugins_other" not in {origin.value for origin, _ in entry_points()}


def test_a_shadowed_distribution_counts_once(plugin_site, tmp_path, monkeypatch):
    """An old copy further down sys.path would clash with the current one over every name."""
    from ckd_plugins.testing import write_distribution

    write_distribution(tmp_path / "older", "dup", "0.1", entry_points={"dup": "dup"})
    monkeypatch.syspath_prepend(str(tmp_path / "older"))
    plugin_site("DUP", "0.2", entry_points={"dup": "dup"})
    mine = [origin.version for origin, _ in entry_points() if origin.name == "dup"]
    assert mine == ["0.1"], "the first on sys.path is what Python imports"


def test_order_depends_on_names_only(plugin_site):
    """Which plugin is asked first would differ between machines with the order of a directory listing."""
    for name in ("zeta", "alpha", "Midway"):
        plugin_site(name, entry_points={f"{name}_b": "m", f"{name}_a": "m"})
    ours = [o.name for o, _ in entry_points() if o.distribution in ("zeta", "alpha", "Midway")]
    assert ours == ["alpha_a", "alpha_b", "Midway_a", "Midway_b", "zeta_a", "zeta_b"]


@pytest.mark.parametrize(
    ("metadata", "points"),
    [
        (None, "[ckd_plugins]\nx = y\n"),
        ("Metadata-Version: 2.1\n", "[ckd_plugins]\nx = y\n"),
        ("Metadata-Version: 2.1\nName: damaged\nVersion: 1\n", "[ckd_plugins]\nno equals sign here\n"),
    ],
    ids=["no METADATA", "no name", "malformed entry points"],
)
def test_damaged_metadata_are_a_problem_not_a_crash(plugin_site, metadata, points):
    """A half-removed package, which pip leaves behind now and then, would stop every command."""
    info = plugin_site("damaged")
    (info / "entry_points.txt").write_text(points)
    if metadata is None:
        (info / "METADATA").unlink()
    else:
        (info / "METADATA").write_text(metadata)
    _, problem = found()["damaged"]
    assert isinstance(problem, PluginProblem)
    assert "its metadata are damaged" in str(problem)
    assert "pip uninstall damaged" in str(problem)


def test_undecodable_metadata_are_passed_over(plugin_site):
    """One file with bad bytes anywhere in site-packages would stop every command."""
    (plugin_site("bytes") / "entry_points.txt").write_bytes(b"[ckd_plugins]\n\xff\xfe = x\n")
    assert "bytes" not in found()


@pytest.mark.parametrize("spelling", ["my-dist", "My_Dist", "MY.DIST", "point", "POINT"])
def test_disable_takes_entry_point_or_distribution_in_any_spelling(spelling):
    """A user who copies the name from pip's listing must be able to switch the plugin off."""
    switches = Switches.read({"CKD_DISABLE": f"other, {spelling}"})
    assert switches.off(Origin("point", "my_dist", "1"))
    assert not switches.off(Origin("elsewhere", "third", "1"))


@pytest.mark.parametrize(("value", "on"), [("1", True), ("yes", True), ("0", False), ("", False), ("false", False)])
def test_switches_read_off_as_off(value, on):
    """CKD_NO_PLUGINS=0 must not switch plugins off."""
    switches = Switches.read({"CKD_NO_PLUGINS": value, "CKD_STRICT": value})
    assert (switches.no_plugins, switches.strict) == (on, on)


def test_a_problem_reads_as_one_line_with_every_remedy():
    """A user who cannot tell how to get rid of a broken plugin is stuck."""
    problem = PluginProblem(Origin("p", "dist", "1.2"), "it is broken")
    assert str(problem) == (
        "plugin 'p' (dist 1.2) is left out: it is broken "
        "(switch it off with CKD_DISABLE=p or CKD_NO_PLUGINS=1, or pip uninstall dist)"
    )


def test_long_exceptions_become_one_line():
    """A multi-line exception text would break the one-line warning."""
    assert sentence(ValueError("first\n\n  last  \n")) == "ValueError: last"
    assert sentence(SystemExit()) == "SystemExit"
