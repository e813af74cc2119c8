"""The measures of difficulty and the schedules that come with the package."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_plugins.hookspecs import hookimpl
from ckd_plugins.specs import DifficultySpec, ScheduleSpec

__all__ = ["ckd_register_difficulties", "ckd_register_schedules"]

_ROOM = "ckd_plugins.curriculum"


@hookimpl
def ckd_register_difficulties() -> Iterator[DifficultySpec]:
    """Register ``length``, ``popularity``, ``teacher_confidence``, ``teacher_disagreement`` and ``student_loss``."""
    yield DifficultySpec(
        name="length", factory=f"{_ROOM}.difficulty:length", summary="length of the history (CKD-MDSR)"
    )
    yield DifficultySpec(
        name="popularity", factory=f"{_ROOM}.difficulty:popularity", summary="rarity of the items (CKD-MDSR)"
    )
    yield DifficultySpec(
        name="teacher_confidence",
        factory=f"{_ROOM}.difficulty:teacher_confidence",
        summary="what the teachers do not foresee",
        teachers=1,
    )
    yield DifficultySpec(
        name="teacher_disagreement",
        factory=f"{_ROOM}.difficulty:teacher_disagreement",
        summary="what the teachers dispute",
        teachers=2,
    )
    yield DifficultySpec(
        name="student_loss",
        factory=f"{_ROOM}.difficulty:student_loss",
        summary="what the student cannot do yet, epoch by epoch",
        teachers=1,
        changes=True,
    )


@hookimpl
def ckd_register_schedules() -> Iterator[ScheduleSpec]:
    """Register ``linear``, ``root``, ``geometric`` and ``steps``."""
    yield ScheduleSpec(
        name="linear", factory=f"{_ROOM}.schedules:Linear", summary="equally many new rows at every step"
    )
    yield ScheduleSpec(
        name="root", factory=f"{_ROOM}.schedules:Root", summary="fewer new rows as they grow in number (Platanios 2019)"
    )
    yield ScheduleSpec(
        name="geometric", factory=f"{_ROOM}.schedules:Geometric", summary="long among the easy rows, then fast"
    )
    yield ScheduleSpec(name="steps", factory=f"{_ROOM}.schedules:Steps", summary="stages of equal duration")
