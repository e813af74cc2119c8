"""Fixtures for all tests: those that the package ships for authors of plugins."""

from __future__ import annotations

from importlib.metadata import entry_points

# Once installed, the package brings its fixtures by itself; in a bare checkout nobody does.
_installed = "ckd_plugins" in entry_points(group="pytest11").names
pytest_plugins = ["pytester"] if _installed else ["pytester", "ckd_plugins.testing.plugin"]
