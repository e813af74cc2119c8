"""Settings that do nothing in a run, or less than they say."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_plugins._component import Section
from ckd_plugins._scheduled import Scheduled
from ckd_plugins.config import CkdConfig

__all__ = ["idle"]


def idle(config: CkdConfig, epochs: int, once: bool | None) -> Iterator[str]:
    """Name them, one line each. They are no mistakes: a file of settings may serve several runs.

    Args:
        config: the ``ckd`` section.
        epochs: of the run, at most.
        once: whether the teachers are integrated before training; ``None`` where there are none.
    """
    curriculum = config.curriculum
    ramps: dict[str, object] = {"weight": config.weight, "temperature": config.temperature} if once is not None else {}
    lengths = {name: ramp.epochs for name, ramp in ramps.items() if isinstance(ramp, Scheduled)}
    if curriculum is not None and curriculum.difficulty is not None:
        lengths["curriculum"] = curriculum.epochs
    if curriculum is not None and curriculum.teachers is not None:
        lengths["curriculum.teachers"] = curriculum.teachers.epochs
    for name, length in lengths.items():
        if epochs <= length:
            yield f"ckd.{name} is a matter of {length} epochs, and the run has at most {epochs}: it will not get there"
    if curriculum is not None and curriculum.difficulty is None:
        for name in _set(curriculum, "direction", "epochs", "schedule"):
            yield f"ckd.curriculum.{name} has no effect: ckd.curriculum.difficulty is null, all rows are in use always"
    if once is False:
        for name in _set(config.targets, "over", "top"):
            yield f"ckd.targets.{name} has no effect: teachers are integrated in batches"
    if config.domains.competence == "within" and (curriculum is None or curriculum.difficulty is None):
        yield "ckd.domains.competence has no effect without a curriculum of rows"


def _set(section: Section, *names: str) -> list[str]:
    """Which are not as they are by default; what was given is not known of a config that was written and read again."""
    return [name for name in names if getattr(section, name) != type(section).model_fields[name].default]
