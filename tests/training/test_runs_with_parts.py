"""Runs with the parts of the distillation that are not the defaults, from settings to result."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.errors import ConfigError
from ckd_plugins.host.checkpoint import read_checkpoint

Run = Callable[..., dict[str, Any]]

PARTS: dict[str, dict[str, Any]] = {
    "entropy": {"integrator": "entropy"},
    "best": {"integrator": {"name": "best", "gate": False}},
    "learned": {"integrator": "learned"},
    "popular": {"candidates": {"name": "popular", "n": 20}},
    "teachers_top": {"candidates": {"name": "teachers_top", "n": 5}},
    "teachers_top and batch": {"candidates": {"name": "teachers_top", "n": 5, "batch": True}},
    "pairwise": {"loss": {"name": "pairwise", "top": 5}},
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The teachers are the same in all runs."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("section", PARTS.values(), ids=PARTS)
def test_a_run_with_the_part_learns_from_its_teachers(run: Run, cache: Path, section: dict[str, Any]) -> None:
    """Guards against a part that works alone and not where settings, rows and readers come from a run."""
    ckd = {"weight": 5.0, "cache_dir": str(cache), **section}
    result = run("SASRec", ["unisrec", "vqrec"], ckd=ckd, learning_rate=0.01, epochs=3)
    first, *_, last = result["ckd"]["history"]
    assert 0 < last["distillation"] < first["distillation"]
    assert last["weight/unisrec"] + last["weight/vqrec"] == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("model", ["SASRec", "LightGCN", "RecVAE"])
def test_a_gate_learns_beside_the_student(run: Run, cache: Path, model: str) -> None:
    """Guards against a gate that no optimizer knows, and against one that is saved with the student."""
    ckd = {"integrator": "learned", "cache_dir": str(cache)}
    result = run(model, ["unisrec", "vqrec"], ckd=ckd, learning_rate=0.01, epochs=4)
    history = result["ckd"]["history"]
    assert result["ckd"]["targets"] == "batch"
    assert abs(history[0]["weight/unisrec"] - 0.5) < abs(history[-1]["weight/unisrec"] - 0.5)
    assert history[-1]["integrator"] < history[0]["integrator"]
    assert history[-1]["loss"] == pytest.approx(history[-1]["own_loss"] + history[-1]["distillation_loss"], rel=1e-4)
    plain, taught = (read_checkpoint(Path(r["ckd"]["checkpoint"])) for r in (run(model, epochs=1), result))
    assert taught.tensors.keys() == plain.tensors.keys()
    groups = [[len(g["params"]) for g in c.values["optimizer"]["param_groups"]] for c in (plain, taught)]
    assert groups[0] == groups[1]


def test_candidates_of_the_own_domain(run: Run, shop: Path, tmp_path: Path) -> None:
    """Guards against a source that never learns what the data call the items; and tells it before teachers train."""
    ckd: dict[str, Any] = {"candidates": {"name": "in_batch", "own_domain": True}}
    with pytest.raises(ConfigError, match="own_domain needs items that are named domain/item, and one is named 'shop"):
        run("SASRec", ["unisrec"], ckd=ckd)
    assert not list((tmp_path / "cache").glob("teachers/*"))
    for file in shop.iterdir():
        named = re.sub(r"\bshop(\d)", r"d\1/shop\1", file.read_text(encoding="utf-8"))
        file.write_text(named, encoding="utf-8")
    history = run("SASRec", ["unisrec"], ckd=ckd, epochs=3, learning_rate=0.01)["ckd"]["history"]
    assert 0 < history[-1]["distillation"] < history[0]["distillation"]


def test_too_many_candidates_are_told_before_teachers_are_trained(run: Run, tmp_path: Path) -> None:
    """Guards against an hour of teachers for a number that the catalogue does not have."""
    with pytest.raises(ConfigError, match="n = 500 exceeds"):
        run("SASRec", ["unisrec"], ckd={"candidates": {"name": "popular", "n": 500}})
    assert not list((tmp_path / "cache").glob("teachers/*"))
