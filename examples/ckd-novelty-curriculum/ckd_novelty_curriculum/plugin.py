"""The hooks of this plugin."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_plugins import DifficultySpec, ScheduleSpec, hookimpl

__all__ = ["ckd_register_difficulties", "ckd_register_schedules"]


@hookimpl
def ckd_register_difficulties() -> Iterator[DifficultySpec]:
    """Register ``novelty``."""
    yield DifficultySpec(
        name="novelty",
        factory="ckd_novelty_curriculum.difficulty:novelty",
        summary="surprise at the step from the last item to the target",
    )


@hookimpl
def ckd_register_schedules() -> Iterator[ScheduleSpec]:
    """Register ``sigmoid``."""
    yield ScheduleSpec(
        name="sigmoid",
        factory="ckd_novelty_curriculum.schedule:Sigmoid",
        summary="slow among the easy rows, fast in the middle, slow at the end",
    )
