"""Distributions written for tests look to Python like installed ones."""

from __future__ import annotations

from importlib.metadata import Distribution, PathDistribution

from ckd_plugins.testing import write_distribution


def test_python_reads_it_as_installed(tmp_path):
    """Tests of discovery against something that pip never writes would prove nothing."""
    info = write_distribution(tmp_path, "My-Plugin", "2.0", entry_points={"mine": "my_m:plugin"})
    distribution: Distribution = PathDistribution(info)
    assert (distribution.metadata["Name"], distribution.version) == ("My-Plugin", "2.0")
    (point,) = distribution.entry_points
    assert (point.group, point.name, point.value) == ("ckd_plugins", "mine", "my_m:plugin")


def test_sources_lose_their_common_indentation(tmp_path):
    """Sources stand indented in test functions."""
    write_distribution(tmp_path, "x", modules={"mod": "\n    a = 1\n    if a:\n        b = 2\n"})
    assert (tmp_path / "mod.py").read_text() == "\na = 1\nif a:\n    b = 2\n"
