"""From a teacher's name to its signal: trained once, cached by what it was made from, read by every later run."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ckd_plugins._version import __version__
from ckd_plugins.config import CkdConfig, Component
from ckd_plugins.domains.atomic import read_atomic
from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import ConfigError, DataError, SignalError, TeacherError
from ckd_plugins.host.settings import find_dataset
from ckd_plugins.registry import Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.signals.layout import Layout
from ckd_plugins.signals.manifest import Provenance
from ckd_plugins.signals.store import Store
from ckd_plugins.signals.writer import StoreWriter
from ckd_plugins.training.material import Material
from ckd_plugins.training.progress import Reporter, heard
from ckd_plugins.training.teacher_files import by_content, check_files, reads_text
from ckd_plugins.training.texts import ReportingEncoder

__all__ = ["Taught", "check_cache", "check_teachers", "read_pretraining", "teach"]


@dataclass(frozen=True)
class Taught:
    """A teacher that is ready to teach one run."""

    name: str
    teacher: Any
    """The fine-tuned :class:`ckd_plugins.teachers.Teacher`."""
    signal: Signal
    folder: Path
    """Where the teacher is kept."""
    store: Path
    """Where its knowledge is kept."""
    seconds: dict[str, float] = field(default_factory=dict)
    """What this run spent: ``pretrain``, ``finetune``, ``cache``; empty when both were there already."""

    @property
    def reused(self) -> bool:
        """Whether teacher and knowledge came from the cache."""
        return not self.seconds


def check_cache(folder: Path) -> None:
    """Find out before anything runs whether the cache can be written.

    Raises:
        ConfigError: it cannot.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        why = "cannot be written" if nearest.is_dir() else "is a file"
        raise ConfigError(
            f"cache_dir {str(folder)!r} cannot be made: {str(nearest)!r} {why}; set ckd.cache_dir or CKD_CACHE to "
            f"another folder"
        )


def check_teachers(config: CkdConfig, registry: Registry, texts: bool, dataset: str) -> None:
    """Find out before anything runs whether every teacher exists, takes its options and can read the data.

    Raises:
        UnknownNameError: a teacher or the text encoder is not registered.
        ConfigError: an option is wrong, or a package is missing.
        DataError: a teacher reads texts and the dataset has none, or a file that an option names is not there.
    """
    needs_text = False
    for component in config.teachers:
        spec = registry.get("teacher", component.name)
        component.check(registry, "teacher", host=("encoder", "cache_dir", "seed"))
        check_files(spec.load(), component.options, f"teacher {component.name!r}")
        if reads_text(spec, component.options):
            needs_text = True
            if not texts:
                raise DataError(
                    f"teacher {component.name!r} reads item texts and dataset {dataset!r} has none of the columns "
                    f"{', '.join(config.text.fields)} in its .item file; name its text columns in ckd.text.fields"
                )
    if needs_text:
        config.text.encoder.check(registry, "text_encoder")


def read_pretraining(config: CkdConfig, host: Any, data_path: str | None = None) -> list[Domain]:
    """Read the datasets that teachers are pre-trained on, all their interactions.

    Args:
        config: names them in ``pretrain_domains``.
        host: the student's RecBole config; its names of fields hold for them too.
        data_path: where names, as opposed to folders, are looked for.

    Raises:
        DataError: one does not exist or is malformed.
    """
    domains = []
    for name in config.pretrain_domains:
        found = find_dataset(name, data_path)
        columns = found.columns("item")
        domains.append(
            read_atomic(
                found.folder,
                text_fields=[f for f in config.text.fields if f in columns],
                leave_one_out=False,
                user_field=host["USER_ID_FIELD"],
                item_field=host["ITEM_ID_FIELD"],
                order_field=host["TIME_FIELD"],
            )
        )
    return domains


def teach(
    component: Component,
    material: Material,
    pretraining: Sequence[Domain],
    config: CkdConfig,
    registry: Registry,
    reporter: Reporter,
    seed: int,
) -> Taught:
    """Pre-train, fine-tune and cache one teacher, or find it in the cache.

    The teacher's folder is named by everything that decides its weights: options, data, split, texts and their
    encoder, pre-training domains, seed and this package's version; its knowledge is a store beside it, checked against
    the same on opening.

    Raises:
        DataError, TeacherError, SignalError: the teacher cannot learn the data, or its store is damaged.
    """
    spec = registry.get("teacher", component.name)
    encoder = None
    if reads_text(spec, component.options):
        encoder = ReportingEncoder(config.text.encoder.build(registry, "text_encoder"), reporter)
    text = f"{encoder.identity} {material.text_hash}" if encoder is not None else ""
    host = {"encoder": encoder, "cache_dir": config.cache_dir / "texts", "seed": seed}
    identity = repr(
        [
            __version__,
            _origin(component, registry),
            component.name,
            sorted(by_content(spec.load(), component.resolve(registry, "teacher", host)).items()),
            material.data_hash,
            material.split_hash,
            text,
            [_domain_hash(d) for d in pretraining],
            seed,
        ]
    )
    digest = blake2b(identity.encode(), digest_size=8).hexdigest()
    folder = config.cache_dir / "teachers" / f"{component.name}-{material.domain.name}-{digest}"
    seconds: dict[str, float] = {}
    with _alone(folder, component.name, reporter):
        teacher = _kept(spec, folder, component.name, reporter)
        if teacher is None:
            teacher = component.build(registry, "teacher", **host)
            if pretraining:
                seconds["pretrain"] = _train(teacher, "pretrain", list(pretraining), component.name, reporter)
            seconds["finetune"] = _train(teacher, "finetune", material.domain, component.name, reporter)
            _save(teacher, folder)
        store = _store(teacher, component.name, material, text, folder, config, reporter, seconds)
    signal = store.bind(teacher.keys(material.instances), material.tokens, outside=teacher.outside)
    if not seconds:
        reporter.say(f"{component.name}: reused from {folder} (fine-tuned before on the same data)")
    return Taught(component.name, teacher, signal, folder, store.path, seconds)


def _origin(component: Component, registry: Registry) -> str:
    """The distribution that brings a teacher: another version of it may be another teacher."""
    origin = registry.record("teacher", component.name).origin
    return f"{origin.distribution} {origin.version}"


@contextlib.contextmanager
def _alone(folder: Path, name: str, reporter: Reporter) -> Iterator[None]:
    """Let one process at a time make a teacher and its store; the others wait, and find both."""
    locks = folder.parent.parent / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        reporter.say(f"{name}: another process is making the same teacher; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _kept(spec: Any, folder: Path, name: str, reporter: Reporter) -> Any:
    """The teacher that the cache holds, or ``None``; a damaged one is removed."""
    if not (folder / "config.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        return None
    try:
        with heard(reporter):
            return spec.load().load(folder)
    except TeacherError as damage:
        reporter.say(f"{name}: the teacher in the cache is not usable ({damage}); training it again")
        shutil.rmtree(folder)
        return None


def _train(teacher: Any, stage: str, data: Any, name: str, reporter: Reporter) -> float:
    started = time.perf_counter()
    title = {"pretrain": "pre-train", "finetune": "fine-tune"}[stage]
    total = max(1, int(getattr(teacher, f"{stage}_epochs", 1)))
    with heard(reporter), reporter.task(f"{title} {name}", total) as advance:

        def progress(epoch: Any) -> None:
            note = f"loss {epoch.loss:.3f}"
            if epoch.valid is not None:
                note += f", valid NDCG@10 {epoch.valid:.4f}"
            advance(epoch.number, note)

        getattr(teacher, stage)(data, progress=progress)
    return time.perf_counter() - started


def _save(teacher: Any, folder: Path) -> None:
    """Write beside and rename: a killed run leaves no folder that looks like a teacher."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        teacher.save(partial)
        if not (partial / "config.json").is_file():
            raise TeacherError(f"{type(teacher).__name__}.save wrote no config.json; see the Teacher interface")
        try:
            partial.rename(folder)
        except OSError:
            if not (folder / "config.json").is_file():  # else one that does not see our lock was faster
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _store(
    teacher: Any,
    name: str,
    material: Material,
    text: str,
    folder: Path,
    config: CkdConfig,
    reporter: Reporter,
    seconds: dict[str, float],
) -> Store:
    keys = teacher.keys(material.instances)
    # Rows without a history are in some families' train sets only, and no teacher is asked about them.
    wanted = blake2b(np.unique(keys[keys != 0]).tobytes(), digest_size=6).hexdigest()
    path = config.cache_dir / "signals" / f"{folder.name}-{wanted}"
    provenance = Provenance(
        teacher=name,
        dataset=material.domain.name,
        weights_hash=teacher.digest,
        data_hash=material.data_hash,
        split_hash=material.split_hash,
        text_hash=text,
        max_length=teacher.max_length,
        temperature=teacher.temperature,
        summary=type(teacher).__name__,
    )
    expected = {k: v for k, v in vars(provenance).items() if k != "summary"}
    if (path / "manifest.json").is_file():
        try:
            return Store.open(path, expected)
        except SignalError as damage:
            reporter.say(f"{name}: stored knowledge is not usable ({damage}); asking the teacher again")
            shutil.rmtree(path)
    started = time.perf_counter()
    layout, items = _layout(teacher, material)
    writer = StoreWriter(path, provenance, layout, keys=keys, items=items, replace=True)
    with writer:
        total = writer.manifest.n_shards
        with reporter.task(f"cache {name}", total) as advance:
            for done, shard in enumerate(writer.pending(), start=1):
                writer.write(shard, **_answers(teacher, material, shard.rows))
                advance(done, f"{writer.manifest.rows} instances")
    seconds["cache"] = time.perf_counter() - started
    return Store.open(path, expected, verify=False)


def _layout(teacher: Any, material: Material) -> tuple[Layout, Sequence[str]]:
    """How the knowledge is stored, and the items that it is about."""
    items = material.domain.items
    if teacher.form == "topk":
        return Layout.topk(min(teacher.k, len(items))), items
    known = np.flatnonzero(teacher.known_items(material.domain))
    return Layout.factors(teacher.item_factors(material.domain)[known]), [items[i] for i in known]


def _answers(teacher: Any, material: Material, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    if teacher.form == "topk":
        ids, scores = teacher.lists(material.instances, rows)
        return {"ids": ids, "scores": scores}
    return {"vectors": teacher.encode(material.instances, rows)}


def _domain_hash(domain: Domain) -> str:
    parts = (domain.name, domain.items, domain.text, domain.described(), domain.users)
    digest = blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8)
    digest.update(domain.offsets.tobytes() + domain.sequence.tobytes())
    return digest.hexdigest()
