"""Runs with the parts of the distillation that are not the defaults, from settings to result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]

PARTS: dict[str, dict[str, Any]] = {
    "entropy": {"integrator": "entropy"},
    "best": {"integrator": {"name": "best", "gate": False}},
    "pairwise": {"loss": {"name": "pairwise", "top": 5}},
}


@pytest.mark.parametrize("section", PARTS.values(), ids=PARTS)
def test_a_run_with_the_part_learns_from_its_teachers(run: Run, section: dict[str, Any]) -> None:
    """Guards against a part that works alone and not where settings, rows and readers come from a run."""
    result = run("SASRec", ["unisrec", "vqrec"], ckd={"weight": 5.0, **section}, learning_rate=0.01, epochs=3)
    first, *_, last = result["ckd"]["history"]
    assert 0 < last["distillation"] < first["distillation"]
    assert last["weight/unisrec"] + last["weight/vqrec"] == pytest.approx(1.0, abs=1e-4)
