from __future__ import annotations

import inspect

import pytest

from ckd_plugins.curriculum import builtin
from ckd_plugins.curriculum.schedules import Schedule

DIFFICULTIES = list(builtin.ckd_register_difficulties())
SCHEDULES = list(builtin.ckd_register_schedules())


def test_names():
    """Guards the names that configurations use, and what is checked before a run."""
    assert [spec.name for spec in DIFFICULTIES] == [
        "length",
        "popularity",
        "teacher_confidence",
        "teacher_disagreement",
        "student_loss",
    ]
    assert [spec.name for spec in SCHEDULES] == ["linear", "root", "geometric", "steps"]
    assert [spec.teachers for spec in DIFFICULTIES] == [0, 0, 1, 2, 1]
    assert [spec.changes for spec in DIFFICULTIES] == [False] * 4 + [True]


@pytest.mark.parametrize("spec", DIFFICULTIES, ids=lambda spec: spec.name)
def test_a_difficulty_takes_the_evidence_and_typed_keywords(spec):
    """Guards the configuration, which is checked against the factory's signature."""
    evidence, *options = inspect.signature(spec.load()).parameters.values()
    assert evidence.name == "evidence"
    assert all(o.kind is o.KEYWORD_ONLY and o.annotation is not o.empty and o.default is not o.empty for o in options)
    assert spec.summary


@pytest.mark.parametrize("spec", SCHEDULES, ids=lambda spec: spec.name)
def test_a_schedule_is_made_without_options(spec):
    """Guards against a default that is missing."""
    schedule = spec.load()()
    assert isinstance(schedule, Schedule)
    assert 0 < schedule(0.0) < schedule(1.0) == 1.0
    assert all(o.annotation is not o.empty for o in inspect.signature(spec.load()).parameters.values())
    assert spec.summary
