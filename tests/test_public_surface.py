"""The top of the package: complete, typed, and free to import."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import ckd_plugins

HEAVY = ("torch", "recbole", "pydantic", "pandas", "numpy", "pluggy", "click", "transformers", "rich")


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_loads_nothing_heavy():
    """Every plugin imports this package at start-up; its cost is everybody's."""
    assert run(f"import ckd_plugins, sys; print([m for m in {HEAVY} if m in sys.modules])") == "[]"


def test_the_names_of_plugin_authors_load_nothing_heavy():
    """`ckd --help` imports every plugin, and every plugin imports these."""
    code = "from ckd_plugins import LossSpec, hookimpl, PluginError; import sys;"
    assert run(f"{code} print([m for m in {HEAVY} if m in sys.modules])") == "['pluggy']"


def test_importing_is_quick():
    """A fifth of a second of the processor, interpreter start not counted; a busy machine's clock tells nothing."""
    code = "import time; t = time.process_time(); import ckd_plugins; print(time.process_time() - t)"
    assert min(float(run(code)) for _ in range(3)) < 0.2


@pytest.mark.parametrize("name", ckd_plugins.__all__)
def test_every_public_name_is_there(name):
    """A name in __all__ that does not resolve shows only when somebody needs it."""
    assert getattr(ckd_plugins, name) is not None
    assert name in dir(ckd_plugins)


def test_every_spec_and_error_is_public():
    """A plugin needs one import; a record that must be fetched from a private place is no interface."""
    from ckd_plugins import errors, specs

    public = {n for n in specs.__all__ if n.endswith("Spec") and n != "Spec"}
    public |= {n for n in errors.__all__ if isinstance(getattr(errors, n), type)}
    assert public <= set(ckd_plugins.__all__)


def test_a_type_checker_sees_what_python_sees():
    """Lazy names without an import for type checkers are Any to every user."""
    source = Path(ckd_plugins.__file__).read_text(encoding="utf-8")
    typed = source.partition("if TYPE_CHECKING:")[2].partition("\n\n__")[0]
    assert all(re.search(rf"\b{name}\b", typed) for name in ckd_plugins.__all__ if name != "__version__")


def test_an_unknown_name_is_an_attribute_error():
    """Both hasattr and copy rely on it."""
    with pytest.raises(AttributeError, match="module 'ckd_plugins' has no attribute 'nothing'"):
        ckd_plugins.nothing  # noqa: B018
    assert not hasattr(ckd_plugins, "distil")


def test_submodules_are_still_importable():
    """A module-level __getattr__ must not shadow them."""
    assert importlib.import_module("ckd_plugins.errors").CkdError is ckd_plugins.CkdError


def test_the_installed_version_is_the_packages():
    """A release whose metadata and code disagree cannot be reported in a bug."""
    try:
        installed = version("ckd-plugins")
    except PackageNotFoundError:
        installed = ckd_plugins.__version__
    assert installed == ckd_plugins.__version__


def test_importing_twice_costs_nothing():
    """A lazy name is looked up once and then is a plain attribute."""
    ckd_plugins.ConfigError  # noqa: B018
    assert "ConfigError" in vars(ckd_plugins)
    start = time.perf_counter()
    for _ in range(1000):
        ckd_plugins.ConfigError  # noqa: B018
    assert time.perf_counter() - start < 0.1
