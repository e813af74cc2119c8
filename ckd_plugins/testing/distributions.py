"""Installed distributions for tests: a folder that Python takes for ``site-packages``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

__all__ = ["write_distribution"]


def write_distribution(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    modules: Mapping[str, str] | None = None,
    entry_points: Mapping[str, str] | None = None,
    group: str = "ckd_plugins",
) -> Path:
    """Write a distribution as ``pip install`` would leave it; put ``folder`` on ``sys.path`` to have it installed.

    Args:
        folder: plays ``site-packages``; made if missing.
        name: the distribution's name.
        version: its version.
        modules: module name to source text; indentation that all lines share is removed.
        entry_points: entry-point name to ``"module"`` or ``"module:attribute"``.
        group: the entry points' group.

    Returns:
        The ``.dist-info`` folder.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from ckd_plugins.testing import write_distribution
        >>> write_distribution(Path(tempfile.mkdtemp()), "my-plugin", entry_points={"mine": "my_plugin"}).name
        'my_plugin-1.0.dist-info'
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = [f"[{group}]", *(f"{key} = {value}" for key, value in (entry_points or {}).items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for module, source in (modules or {}).items():
        (folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")
    return info
