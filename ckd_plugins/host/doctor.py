"""Everything that decides whether a run works on this machine, checked without running anything."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ckd_plugins.config import default_cache_dir
from ckd_plugins.errors import EnvironmentProblem
from ckd_plugins.host.requirements import REQUIREMENTS, Check, check_python, check_requirement, installed_version
from ckd_plugins.registry import Registry, get_registry

__all__ = ["Check", "apply_fixes", "diagnose", "shell_line"]

_GIB = 2**30
_LITTLE_MEMORY, _LITTLE_DISK, _NO_DISK = 2 * _GIB, 2 * _GIB, _GIB // 8


def diagnose(version_of: Callable[[str], str | None] = installed_version) -> list[Check]:
    """Check Python, machine, packages, accelerators, folders and plugins, in this order.

    Args:
        version_of: gives a distribution's version, ``None`` when it is not installed.

    Returns:
        One :class:`Check` for each; nothing is installed, written or downloaded.
    """
    packages = [check_requirement(need, version_of) for need in REQUIREMENTS]
    return [
        check_python(),
        Check("platform", "ok", f"{platform.system()} {platform.release()} {platform.machine()}"),
        check_cores(),
        *check_memory(),
        *packages,
        *(check_accelerators() if version_of("torch") is not None else []),
        check_cache(default_cache_dir()),
        check_disk(default_cache_dir()),
        *check_plugins(get_registry()),
    ]


def shell_line(fix: Sequence[str]) -> str:
    """A fix as a line for a shell, quoted where needed."""
    return shlex.join(["pip", *fix])


def apply_fixes(checks: Sequence[Check], tell: Callable[[str], None], run: Callable[..., Any] = subprocess.run) -> None:
    """Run the fixes of all checks with this interpreter's pip, each told before it runs.

    Raises:
        EnvironmentProblem: pip failed; it has said why.
    """
    for fix in dict.fromkeys(check.fix for check in checks if check.fix):
        line = shell_line(fix)
        tell(line)
        # File descriptor 2: standard output may be promised to JSON.
        done = run([sys.executable, "-m", "pip", "--disable-pip-version-check", *fix], stdout=2, check=False)
        if done.returncode != 0:
            raise EnvironmentProblem(f"'{line}' failed with status {done.returncode}; its reason stands above")
    importlib.invalidate_caches()


def check_cores() -> Check:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Check("cores", "ok", str(usable))


def check_memory(limit_file: Path = Path("/sys/fs/cgroup/memory.max")) -> list[Check]:
    """Memory that is free, within the container's limit if there is one."""
    try:
        import psutil
    except ImportError:
        return []  # reported among the packages
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    with contextlib.suppress(OSError, ValueError):  # no container, or the limit reads "max"
        total = min(total, int(limit_file.read_text()))
    free = min(free, total)
    detail = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    if free < _LITTLE_MEMORY:
        return [Check("memory", "warn", detail, "large datasets may not fit; close other programs")]
    return [Check("memory", "ok", detail)]


def check_accelerators(load: Callable[[str], Any] = importlib.import_module) -> list[Check]:
    """What torch can compute on; also whether it can be imported at all."""
    try:
        torch = load("torch")
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        if not names and torch.backends.mps.is_available():
            names = ["Apple MPS"]
    except Exception as error:
        remedy = "torch is installed but broken; install it again: https://pytorch.org/get-started"
        return [Check("accelerators", "error", f"{type(error).__name__}: {error}", remedy)]
    return [Check("accelerators", "ok", ", ".join(names) or "none, the CPU computes")]


def check_cache(folder: Path) -> Check:
    """Whether the cache can be written; the folder itself is made by the first run."""
    if folder.exists() and not folder.is_dir():
        return Check("cache", "error", f"{folder} is a file", "remove it, or set CKD_CACHE to a folder")
    if not os.access(_existing(folder), os.W_OK | os.X_OK):
        return Check("cache", "error", f"{folder} cannot be written", "set CKD_CACHE to a folder that can be written")
    return Check("cache", "ok", str(folder))


def check_disk(folder: Path) -> Check:
    """Free space where the cache will be."""
    free = shutil.disk_usage(_existing(folder)).free
    detail = f"{free / _GIB:.1f} GiB free at {folder}"
    remedy = "free some space, or set CKD_CACHE to a folder on another disk"
    if free < _LITTLE_DISK:
        return Check("disk", "error" if free < _NO_DISK else "warn", detail, remedy)
    return Check("disk", "ok", detail)


def check_plugins(registry: Registry) -> list[Check]:
    """Plugins of other distributions; a broken one is left out and stops nothing."""
    problems = [
        Check(f"plugin {problem.origin.name}", "warn", f"{problem.consequence}: {problem.what}", problem.origin.remedy)
        for problem in registry.problems()
    ]
    rows = [row for row in registry.plugins() if not row.builtin]
    names = ", ".join(f"{row.name} ({row.distribution} {row.version})" for row in rows if row.status == "ok")
    return [Check("plugins", "ok", names or "none of other packages"), *problems]


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
