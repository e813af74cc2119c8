"""A teacher is made, or found made: stage by stage, taken up where a killed process left it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ckd_plugins.errors import TeacherError
from ckd_plugins.registry import Record
from ckd_plugins.teachers.history import History
from ckd_plugins.teachers.keeping import kept_in
from ckd_plugins.training.progress import Reporter, heard
from ckd_plugins.training.teaching.card import describe
from ckd_plugins.training.teaching.folders import partial_of, save, sweep
from ckd_plugins.training.teaching.plan import Plan

__all__ = ["Made", "kept", "make"]


@dataclass(frozen=True)
class Made:
    """A teacher in its folder."""

    teacher: Any
    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    """What this process spent by stage."""


def kept(record: Record, folder: Path, name: str, reporter: Reporter) -> Any:
    """The teacher that the cache holds, or ``None``; a damaged one is removed."""
    if not (folder / "config.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        return None
    try:
        with heard(reporter):
            return record.load().load(folder)
    except TeacherError as damage:
        reporter.say(f"{name}: the teacher in the cache is not usable ({damage}); training it again")
        shutil.rmtree(folder)
        return None


def make(plan: Plan, folder: Path, reporter: Reporter) -> Made:
    """Train a teacher and save it; nobody else may be making the same one (:func:`folders.alone`).

    What a killed process had reached lies beside the folder, and is gone when the folder is there.

    Raises:
        DataError, TeacherError: the teacher cannot learn the data.
        PluginError: it is a plugin's, and fails.
    """
    histories: dict[str, History] = {}
    seconds: dict[str, float] = {}
    keeping = kept_in(partial_of(folder), plan.identity, told=lambda line: reporter.say(f"{plan.label}: {line}"))
    with plan.guarded("be trained"), keeping:
        try:
            teacher = _begin(plan)
            if plan.pretraining:
                learned = _train(teacher, "pretrain", list(plan.pretraining), plan, reporter, seconds)
                if learned.epochs:
                    histories["pretrain"] = learned
                elif plan.material is None:
                    raise TeacherError(f"teacher {plan.label!r} learns nothing in pre-training; fine-tune it instead")
            if plan.material is not None:
                histories["finetune"] = _train(teacher, "finetune", plan.material.domain, plan, reporter, seconds)
        except RuntimeError as error:
            if plan.source is None or "size mismatch" not in str(error):
                raise
            reason = next(line for line in str(error).splitlines() if "size mismatch" in line).strip()
            raise TeacherError(
                f"teacher {plan.label!r}: what {str(plan.source.folder)!r} holds does not fit its options ({reason}); "
                f"leave the options away that it was not trained with"
            ) from error
    with plan.guarded("be saved"):
        save(teacher, folder, lambda unnamed: describe(plan, teacher, histories, unnamed))
    sweep(folder)
    return Made(teacher, folder, seconds)


def _begin(plan: Plan) -> Any:
    if plan.source is None:
        return plan.component.build(plan.registry, "teacher", **plan.host)
    options = plan.component.check(plan.registry, "teacher", host=plan.host)
    return plan.source.load(plan.record.load(), options, plan.host)


def _train(teacher: Any, stage: str, data: Any, plan: Plan, reporter: Reporter, seconds: dict[str, float]) -> History:
    started = time.perf_counter()
    title = {"pretrain": "pre-train", "finetune": "fine-tune"}[stage]
    total = max(1, int(getattr(teacher, f"{stage}_epochs", 1)))
    with heard(reporter), reporter.task(f"{title} {plan.label}", total) as advance:

        def progress(epoch: Any) -> None:
            note = f"loss {epoch.loss:.3f}"
            if epoch.valid is not None:
                note += f", valid NDCG@10 {epoch.valid:.4f}"
            advance(epoch.number, note)

        history = getattr(teacher, stage)(data, progress=progress)
    seconds[stage] = time.perf_counter() - started
    return history if isinstance(history, History) else History()
