"""Runs with the parts of the distillation that are not the defaults, from settings to result."""

from __future__ import annotations

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
    "pairwise": {"loss": {"name": "pairwise", "top": 5}},
}


@pytest.mark.parametrize("section", PARTS.values(), ids=PARTS)
def test_a_run_with_the_part_learns_from_its_teachers(run: Run, section: dict[str, Any]) -> None:
    """Guards against a part that works alone and not where settings, rows and readers come from a run."""
    result = run("SASRec", ["unisrec", "vqrec"], ckd={"weight": 5.0, **section}, learning_rate=0.01, epochs=3)
    first, *_, last = result["ckd"]["history"]
    assert 0 < last["distillation"] < first["distillation"]
    assert last["weight/unisrec"] + last["weight/vqrec"] == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("model", ["SASRec", "LightGCN", "RecVAE"])
def test_a_gate_learns_beside_the_student(run: Run, model: str) -> None:
    """Guards against a gate that no optimizer knows, and against one that is saved with the student."""
    ckd = {"integrator": "learned"}
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


def test_a_gate_cannot_learn_before_training(run: Run) -> None:
    """Guards against targets that were integrated by a gate that knows nothing yet."""
    with pytest.raises(ConfigError, match=r"integrator 'learned' learns; set ckd\.targets to batch"):
        run("SASRec", ["unisrec"], ckd={"integrator": "learned", "targets": "once"})
