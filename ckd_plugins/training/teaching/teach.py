"""A run's teachers: made or found, asked or remembered, bound to the run's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ckd_plugins.config import CkdConfig, TeacherComponent
from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import TeacherError
from ckd_plugins.registry import Origin, Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.signals.disjoint import DisjointSignal
from ckd_plugins.training.asking import Crew
from ckd_plugins.training.domain_material import DomainMaterial, take_apart
from ckd_plugins.training.material import Material
from ckd_plugins.training.progress import Reporter
from ckd_plugins.training.teaching.folders import alone, sweep
from ckd_plugins.training.teaching.knowledge import open_store
from ckd_plugins.training.teaching.making import Made, kept, make
from ckd_plugins.training.teaching.plan import Plan, first_difference, make_plan
from ckd_plugins.training.teaching.source import Source

__all__ = ["Taught", "teach"]


@dataclass(frozen=True)
class Taught:
    """A teacher that is ready to teach one run."""

    name: str
    """Its label in the run."""
    teacher: Any
    """The fine-tuned :class:`ckd_plugins.teachers.Teacher`."""
    signal: Signal
    folder: Path
    """Where the teacher is kept."""
    store: Path
    """Where its knowledge is kept."""
    digest: str
    """The teacher's, of its weights."""
    seconds: dict[str, float] = field(default_factory=dict)
    """What this run spent: ``pretrain``, ``finetune``, ``cache``; empty when both were there already."""
    part: DomainMaterial | None = None
    """The domain that it was made for, where each has a teacher of its own."""
    parts: tuple[Taught, ...] = ()
    """Those of the domains, one each, where it stands for them."""
    origin: Origin | None = None
    """Where its code comes from."""

    @property
    def parameters(self) -> int:
        """Number of weights, of all domains' teachers together."""
        return sum(one.teacher.parameters for one in self.parts or (self,))

    @property
    def reused(self) -> bool:
        """Whether teacher and knowledge came from the cache."""
        return not self.seconds


def teach(
    components: Sequence[TeacherComponent],
    material: Material,
    pretraining: Sequence[Domain],
    config: CkdConfig,
    registry: Registry,
    reporter: Reporter,
    seed: int,
    verify: Literal["auto"] | bool = "auto",
    crew: Crew | None = None,
) -> list[Taught]:
    """Pre-train, fine-tune and cache teachers, or find them in the cache, or in the folders that the config names.

    All are planned before the first is trained, so that a folder that does not fit is told at once. A teacher's folder
    is named by everything that decides its weights: options, data, split, texts and their encoder, pre-training
    domains, seed and this package's version; its knowledge is a store beside it, checked against the same on opening. A
    teacher that comes from a folder is not pre-trained again. ``verify`` is that of
    :meth:`ckd_plugins.signals.Store.open`; ``crew`` asks the teachers, by default this process. With
    ``ckd.domains.teachers: each`` a teacher is made for each domain, and those of one name teach as one.

    Raises:
        DataError, TeacherError, SignalError: the teacher cannot learn the data, or its store is damaged, or the folder
            holds a teacher that was fine-tuned on other data.
    """
    shared = config.domains.teachers == "shared" or not components
    shown: list[DomainMaterial | None] = [None] if shared else [*take_apart(material)]
    plans: list[list[tuple[Plan, DomainMaterial | None]]] = []
    for one in components:
        plans.append([])
        for part in shown:
            learned = material if part is None else part.material
            plan = make_plan(one, learned, pretraining, config, registry, reporter, seed)
            _check_source(plan, learned)
            plans[-1].append((plan, part))
    made = [
        [_taught(plan, material, part, config, reporter, verify, crew) for plan, part in of_one] for of_one in plans
    ]
    return [of_one[0] if shared else _together(of_one, config) for of_one in made]


def _together(parts: Sequence[Taught], config: CkdConfig) -> Taught:
    """The teachers of the domains as one, that knows each row as its domain's does."""
    first = parts[0]
    seconds: dict[str, float] = {}
    for stage, value in (item for part in parts for item in part.seconds.items()):
        seconds[stage] = seconds.get(stage, 0.0) + value
    return replace(
        first,
        signal=DisjointSignal([part.signal for part in parts], first.name),
        folder=config.cache_dir / "teachers",
        digest="+".join(f"{part.store.name}:{part.digest}" for part in parts),
        seconds=seconds,
        part=None,
        parts=tuple(parts),
    )


def _taught(
    plan: Plan,
    whole: Material,
    part: DomainMaterial | None,
    config: CkdConfig,
    reporter: Reporter,
    verify: Literal["auto"] | bool,
    crew: Crew | None,
) -> Taught:
    material = whole if part is None else part.material
    stem = f"{plan.component.name}-{material.domain.name}-{plan.digest}"
    folder = config.cache_dir / "teachers" / stem
    with alone(config.cache_dir / "locks" / f"{stem}.lock", plan.label, reporter):
        made = _cached(plan, folder, reporter) if plan.used is None else _ready(plan, plan.used)
        teacher, seconds = made.teacher, dict(made.seconds)
        with plan.guarded("be asked"):
            store = open_store(plan, made, material, stem, reporter, seconds, verify, crew)
            keys = teacher.keys(whole.instances) if part is None else part.keys(teacher, len(whole.instances))
    signal = store.bind(keys, whole.tokens, outside=teacher.outside)
    signal.name, weights = plan.label, store.manifest.provenance.weights_hash
    signal.temperature *= config.teacher_temperature
    if not seconds:
        reporter.say(f"{plan.label}: reused from {made.folder} (fine-tuned before on the same data)")
    origin = plan.record.origin
    return Taught(plan.label, teacher, signal, made.folder, store.path, weights, seconds, part, origin=origin)


def _cached(plan: Plan, folder: Path, reporter: Reporter) -> Made:
    teacher = kept(plan.record, folder, plan.label, reporter)
    if teacher is None:
        return make(plan, folder, reporter)
    sweep(folder)
    return Made(teacher, folder)


def _check_source(plan: Plan, material: Material) -> None:
    """Whether a folder's teacher, if it is fine-tuned, can be used as it is.

    Raises:
        TeacherError: it was fine-tuned on other data, or on what nobody knows.
    """
    source = plan.source
    if source is None or not source.finetuned:
        return
    where = f"teacher {plan.label!r}: {str(source.folder)!r}"
    if not source.card:
        raise TeacherError(
            f"{where} is fine-tuned and has no card.json, so nobody knows on what; give its pre-trained folder, or "
            f"make it with 'ckd teacher finetune'"
        )
    wanted = {"data": material.data_hash, "split": material.split_hash}
    if difference := first_difference(source.made_from, wanted):
        domain = source.card["finetuning"]["domain"]["name"]
        raise TeacherError(
            f"{where} is fine-tuned on other data ({domain}): {difference}; fine-tune it on this dataset and split, or "
            f"give its pre-trained folder"
        )


def _ready(plan: Plan, source: Source) -> Made:
    """The fine-tuned teacher of a folder.

    Raises:
        TeacherError: its weights are others than its card tells of.
    """
    teacher = plan.record.load().load(source.folder)
    if teacher.digest != source.card["digest"]:
        raise TeacherError(
            f"teacher {plan.label!r}: {str(source.folder)!r}: the weights are not those that its card.json tells of; "
            f"train it again"
        )
    return Made(teacher, source.folder)
