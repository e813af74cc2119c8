"""Runs whose teachers join one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import ConfigError
from ckd_plugins.registry import Registry
from ckd_plugins.training.parts import check_parts

Run = Callable[..., dict[str, Any]]
TEACHERS = ["unisrec", "vqrec"]
LATE = {"schedule": {"name": "steps", "stages": [0.5]}, "epochs": 1}


def of(result: dict[str, Any], name: str) -> list[Any]:
    return [entry.get(name) for entry in result["ckd"]["history"]]


@pytest.mark.parametrize("model", ["SASRec", "BPR", "MultiVAE"])
def test_the_second_teacher_comes_in_the_second_epoch(run: Run, model: str) -> None:
    """Without an order of rows too, which autoencoders cannot have; both are heard of in the end."""
    result = run(model, TEACHERS, ckd={"curriculum": {"difficulty": None, "teachers": LATE}})
    first, second = (sum(of(result, f"known/{name}")[epoch] > 0 for name in TEACHERS) for epoch in (0, 1))
    assert (first, second) == (1, 2)
    assert of(result, "schedule/teachers") == [1, 2]
    assert result["ckd"]["targets"] == "batch"


def test_in_the_listed_order(run: Run) -> None:
    """The order of a study is the user's where he says so."""
    for teachers in (TEACHERS, TEACHERS[::-1]):
        order = {**LATE, "by": "listed"}
        result = run("BPR", teachers, ckd={"curriculum": {"difficulty": None, "teachers": order}})
        assert [of(result, f"known/{name}")[0] > 0 for name in teachers] == [True, False]


def test_rows_and_teachers_have_schedules_of_their_own(run: Run) -> None:
    """One that is given must not switch the other off, nor set its pace."""
    section = {"difficulty": "length", "epochs": 2, "schedule": "linear", "teachers": LATE}
    result = run("BPR", TEACHERS, ckd={"curriculum": section}, epochs=3)
    assert of(result, "competence") == pytest.approx([0.2, 0.6, 1.0])
    assert of(result, "schedule/teachers") == [1, 2, 2]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"teachers": TEACHERS[:1]}, "and 1 is named"),
        ({"teachers": []}, "and 0 are named"),
        ({"targets": "once"}, "ckd.targets: once integrates them before; leave one of the two out"),
        ({"curriculum": {"teachers": {"schedule": {"name": "linear", "until": 0.5}}}}, "option 'until'"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(registry: Registry, section: dict[str, Any], message: str) -> None:
    """A pace over one teacher is none, and one over targets that are integrated already would do nothing."""
    given = {"teachers": TEACHERS, "curriculum": {"teachers": True}, **section}
    with pytest.raises(ConfigError, match=message):
        check_parts(CkdConfig.parse(given), registry)
