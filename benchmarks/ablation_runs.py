"""The ablation's runs: which there are, which are finished, and one process at a time for each."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import click
from ablation_records import Record, read_record, write_record
from ablation_rows import FAMILIES, ROWS, Row, Settings
from filelock import FileLock, Timeout

SEED = 2020
"""Of the teachers, and of the tuning."""
RECORDS = Path(__file__).parent / "records" / "ablation"
"""What is kept in the repository."""


@dataclass(frozen=True)
class Places:
    """Where things lie."""

    runs: Path
    """Teachers and students, hundreds of megabytes that can be made again."""
    records: Path
    """What is kept of finished runs, and what tuning chose."""


@dataclass(frozen=True)
class Teacher:
    """A teacher that is fine-tuned on a dataset."""

    label: str
    folder: Path
    recipe: str
    """What it is made from: made anew on another machine, it is the same one up to rounding."""

    @property
    def made(self) -> bool:
        """Whether it is there."""
        return (self.folder / "card.json").is_file()


@dataclass(frozen=True)
class Work:
    """One run."""

    dataset: Path
    family: str
    title: str
    seed: int
    settings: Settings
    """RecBole's, without the seed."""
    ckd: Settings
    """The ``ckd`` section, without teachers and folders."""
    teachers: tuple[Teacher, ...]
    places: Places

    @property
    def key(self) -> dict[str, Any]:
        """All that makes a run another one."""
        return {
            "dataset": self.dataset.name,
            "model": self.family,
            "seed": self.seed,
            "settings": self.settings,
            "ckd": self.ckd,
            "teachers": [[teacher.label, teacher.recipe] for teacher in self.teachers],
        }

    @property
    def name(self) -> str:
        """Of its folder and its record: rows with the same settings share them."""
        digest = blake2b(json.dumps(self.key, sort_keys=True).encode(), digest_size=6).hexdigest()
        return f"{self.dataset.name}-{self.family}-{self.seed}-{digest}"

    def result(self) -> Record | None:
        """The finished run's record; a run that was killed has none."""
        return read_record(self.places.records / f"{self.name}.json")

    def do(self) -> None:
        """Train, test and keep the record."""
        from ckd_plugins import distill
        from ckd_plugins.training.progress import Console

        section = {**self.ckd, "per_user": True, "run_dir": str(self.places.runs / "students" / self.name)}
        teachers = [{"as": teacher.label, "from": str(teacher.folder)} for teacher in self.teachers]
        settings = {**self.settings, "seed": self.seed, "ckd": section}
        result = distill(self.family, self.dataset, None, settings, teachers=teachers, reporter=Console(False))
        write_record(self.places.records / f"{self.name}.json", self.key, Path(result["ckd"]["run_dir"]))


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Take something for this process while a block runs, or learn that a living one has it.

    The lock is the operating system's: that of a process that died is free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def teachers_of(dataset: Path, named: str, runs: Path) -> list[Teacher]:
    """Where a dataset's teachers are or will be; ``{dataset}`` in a path stands for its name."""
    from ckd_plugins.config import CkdConfig
    from ckd_plugins.training.teaching.source import find_source

    found = []
    for one in CkdConfig.parse({"teachers": named.replace("{dataset}", dataset.name)}).teachers:
        source = find_source(one)
        folder = runs / "teachers" / f"{dataset.name}-{one.label}"
        recipe = json.dumps({"name": one.name, **one.options, "seed": SEED}, sort_keys=True, default=str)
        if source is not None:
            folder = source.folder if source.finetuned else folder
            recipe = source.content if source.finetuned else f"{recipe} from {source.content}"
        found.append(Teacher(one.label, folder.resolve(), recipe))
    return found


def make_teachers(dataset: Path, named: str, runs: Path) -> None:
    """Fine-tune those that are not there, once for all runs; a second process waits for the first."""
    from ckd_plugins.config import CkdConfig
    from ckd_plugins.training import finetune_teacher
    from ckd_plugins.training.progress import Console

    components = CkdConfig.parse({"teachers": named.replace("{dataset}", dataset.name)}).teachers
    for component, teacher in zip(components, teachers_of(dataset, named, runs), strict=True):
        lock = runs / "locks" / f"{teacher.folder.name}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            if not teacher.made:
                judged = {key: FAMILIES["SASRec"].settings[key] for key in ("metrics", "valid_metric", "topk")}
                finetune_teacher(
                    component, dataset, teacher.folder, None, {**judged, "seed": SEED}, reporter=Console(False)
                )


def tuning(dataset: Path, family: str, places: Places) -> Iterator[tuple[Settings, Work]]:
    """The points of a family's grid, and their runs."""
    about = FAMILIES[family]
    for point in about.points():
        settings = {**about.settings, **point}
        yield point, Work(dataset, family, f"tuning {point}", SEED, settings, {}, (), places)


def write_tuned(dataset: Path, family: str, places: Places) -> None:
    """Keep the grid's best point by validation, once all are finished."""
    from ckd_plugins.training.run import write_json

    tried = [(point, work.result()) for point, work in tuning(dataset, family, places)]
    scores = [{"settings": point, "valid": result["best_valid_score"]} for point, result in tried if result]
    if len(scores) == len(tried):
        best, path = max(scores, key=lambda score: score["valid"]), _tuned_file(dataset, family, places.records)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**best, "metric": "ndcg@10", "seed": SEED, "tried": scores})


def tuned(dataset: Path, family: str, places: Places) -> Settings | None:
    """What tuning chose, there or, in a new place for records, in the repository; ``None`` before it is done."""
    for folder in (places.records, RECORDS):
        path = _tuned_file(dataset, family, folder)
        if path.is_file():
            return dict(json.loads(path.read_text())["settings"])
    return None


def _tuned_file(dataset: Path, family: str, records: Path) -> Path:
    return records / "tuned" / f"{dataset.name}-{family}.json"


def work_of(dataset: Path, family: str, name: str, seed: int, teachers: Sequence[Teacher], places: Places) -> Work:
    """A row's run with a seed.

    Raises:
        click.UsageError: the row needs what tuning chooses, or a teacher that is not named.
    """
    row: Row = ROWS[family][name]
    settings = dict(FAMILIES[family].settings)
    if row.tuned:
        chosen = tuned(dataset, family, places)
        if chosen is None:
            raise click.UsageError(f"{family} is not tuned on {dataset.name} yet; run with --tune first")
        settings |= chosen
    choice = {"none": (), "all": teachers, "first": teachers[:1], "second": teachers[1:2]}[row.teachers]
    if row.teachers == "second" and not choice:
        raise click.UsageError(f"row {name!r} is of the second teacher, and --teachers names one; leave the row out")
    return Work(dataset, family, f"{name}, seed {seed}", seed, settings, row.ckd, tuple(choice), places)


def minutes(missing: Sequence[Work], done: Sequence[Work]) -> float:
    """What the missing runs will take on one thread: the mean of the finished ones of a kind, or a guess before."""
    spent: dict[tuple[str, str, bool], list[float]] = {}
    for work in done:
        result = work.result()
        if result is not None:
            seconds = sum(value for name, value in result["seconds"].items() if name != "epoch")
            spent.setdefault((work.dataset.name, work.family, bool(work.teachers)), []).append(seconds / 60)
    total = 0.0
    for work in missing:
        known = spent.get((work.dataset.name, work.family, bool(work.teachers)))
        total += statistics.mean(known) if known else FAMILIES[work.family].minutes
    return total
