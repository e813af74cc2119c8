"""What tells one state of a plugin's code from another."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from ckd_plugins import IntegratorSpec, __version__
from ckd_plugins.registry import Origin, Record, Registry
from ckd_plugins.training.made_by import made_by

HAND = Origin("mine")
WHEEL = Origin("mine", "ckd-mine", "0.1.0")
PART = "from made_by_helper import SCALE\nclass Part: scale = SCALE\ndef part(): return Part()\n"


def record(factory: object, origin: Origin = WHEEL) -> Record:
    return Record("integrator", IntegratorSpec(name="part", factory=factory), origin)  # type: ignore[arg-type]


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """``part(source)``: a plugin's module after its file was written, imported anew as another process would."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(source: str, helper: str = "SCALE = 1\n") -> ModuleType:
        (tmp_path / "made_by_part.py").write_text(source)
        (tmp_path / "made_by_helper.py").write_text(helper)
        for name in ("made_by_part", "made_by_helper"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        return importlib.import_module("made_by_part")

    return write


def test_what_is_built_in_goes_by_the_version_alone(registry: Registry) -> None:
    """Every cache of every user would be made anew."""
    assert made_by(registry.record("integrator", "uniform")) == ("ckd-plugins", __version__)


@pytest.mark.parametrize("name", ["Part", "part"])
@pytest.mark.parametrize("origin", [HAND, WHEEL])
def test_an_edited_file_is_other_code(part: Callable[..., ModuleType], name: str, origin: Origin) -> None:
    """With 'pip install -e' nobody bumps a version between two runs, and by hand there is none."""
    first = made_by(record(getattr(part(PART), name), origin))
    assert first[:2] == (origin.distribution, origin.version)
    assert made_by(record(getattr(part(PART), name), origin)) == first
    assert made_by(record(functools.partial(getattr(part(PART), name)), origin)) == first
    assert made_by(record(f"made_by_part:{name}", origin)) == first
    assert made_by(record(getattr(part(PART + "# sharper\n"), name), origin)) != first


def test_other_modules_are_not_looked_at(part: Callable[..., ModuleType]) -> None:
    """As the documentation says; whoever changes that changes it there as well."""
    first = made_by(record(part(PART).Part))
    assert made_by(record(part(PART, "SCALE = 2\n").Part)) == first


def test_code_without_a_file_goes_by_the_version() -> None:
    """A class of a notebook's cell has no source that could be read."""
    space: dict[str, type] = {"__name__": "nowhere"}
    exec("class Part: pass", space)
    assert made_by(record(space["Part"])) == ("ckd-mine", "0.1.0")


def test_a_file_that_is_edited_later_is_not_what_was_loaded(part: Callable[..., ModuleType], tmp_path: Path) -> None:
    """What old code makes would be kept under the name of the new one, and be found by the next process."""
    loaded = part(PART)
    first = made_by(record(loaded.Part))
    (tmp_path / "made_by_part.py").write_text(PART + "# edited\n")
    assert made_by(record(loaded.Part)) == first
