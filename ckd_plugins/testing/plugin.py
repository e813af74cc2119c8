"""pytest fixtures for authors of plugins; installed with the package.

``ckd_manager`` is a registry that sees the built-ins and nothing else, whatever is installed beside it;
``tmp_plugin`` puts hooks into it for the length of one test; ``plugin_site`` installs distributions that are gone
after it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ckd_plugins.testing.distributions import write_distribution

if TYPE_CHECKING:
    from ckd_plugins.registry import Registry

__all__ = ["ckd_manager", "plugin_site", "tmp_plugin"]


@pytest.fixture
def ckd_manager() -> Iterator[Registry]:
    """The process's registry for this test: the built-ins, strict about faults, and no installed plugin.

    Example:
        .. code-block:: python

            def test_my_loss(ckd_manager):
                ckd_manager.register(my_package.plugin, "mine")
                assert "total_variation" in ckd_manager.names("loss")
    """
    from ckd_plugins._discovery import Switches
    from ckd_plugins.registry import Registry, using

    with using(Registry(discover=False, switches=Switches(strict=True))) as registry:
        yield registry


@pytest.fixture
def tmp_plugin(ckd_manager: Registry) -> Iterator[Callable[..., Any]]:
    """Register functions as a plugin, as a call or as a decorator; they are gone after the test.

    A function implements the hook that it is named after; the mark ``@hookimpl`` may be left out.

    Example:
        .. code-block:: python

            def test_report(tmp_plugin):
                @tmp_plugin
                def ckd_after_fit(run, result):
                    assert result["test_result"]
    """
    from ckd_plugins.hookspecs import PROJECT, hookimpl

    numbers, names = count(1), []

    def register(*functions: Callable[..., Any]) -> Callable[..., Any]:
        marked = {f.__name__: f if hasattr(f, f"{PROJECT}_impl") else hookimpl(f) for f in functions}
        name = f"tmp_plugin_{next(numbers)}"
        ckd_manager.register(SimpleNamespace(**marked), name)
        names.append(name)
        return functions[0]

    yield register
    for name in names:
        ckd_manager.unregister(name)


@pytest.fixture
def plugin_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install a distribution for one test: :func:`write_distribution` without its first argument.

    The folder is first on ``sys.path`` and on ``PYTHONPATH``, so subprocesses see it as well; switches of the
    environment (``CKD_DISABLE`` and so on) are cleared.

    Example:
        .. code-block:: python

            def test_entry_point(plugin_site):
                plugin_site("my-plugin", modules={"mine": SOURCE}, entry_points={"mine": "mine"})
                assert "total_variation" in Registry().names("loss")
    """
    site = tmp_path / "plugin-site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=":" if sys.platform != "win32" else ";")
    for switch in ("CKD_DISABLE", "CKD_NO_PLUGINS", "CKD_STRICT"):
        monkeypatch.delenv(switch, raising=False)

    def install(name: str, version: str = "1.0", **rest: Any) -> Path:
        info = write_distribution(site, name, version, **rest)
        importlib.invalidate_caches()
        return info

    yield install
    for module in [m for m in sys.modules.values() if str(getattr(m, "__file__", None)).startswith(str(site))]:
        del sys.modules[module.__name__]
