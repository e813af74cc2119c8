"""What a teacher says of a run's instances, asked once and stored."""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal

import numpy as np

from ckd_plugins.config import Signals
from ckd_plugins.errors import SignalError
from ckd_plugins.signals.layout import Layout
from ckd_plugins.signals.manifest import Provenance
from ckd_plugins.signals.store import Store
from ckd_plugins.signals.writer import SHARD_SIZE, StoreWriter, discard
from ckd_plugins.training.asking import Crew, Job, ThisProcess
from ckd_plugins.training.material import Material
from ckd_plugins.training.progress import Reporter
from ckd_plugins.training.teaching.making import Made
from ckd_plugins.training.teaching.plan import Plan

__all__ = ["open_store"]

_LEAST = 4096
"""Rows of a shard, if there are as many: a user's prefixes share a pass only within one."""


def open_store(
    plan: Plan,
    made: Made,
    material: Material,
    stem: str,
    reporter: Reporter,
    seconds: dict[str, float],
    verify: Literal["auto"] | bool = "auto",
    crew: Crew | None = None,
) -> Store:
    """Open the store of a teacher's answers, made first if there is none that fits.

    Args:
        plan: the teacher's.
        made: who is asked, in its folder.
        material: the run's data.
        stem: of the store's name; what the rows are follows it.
        reporter: shows progress.
        seconds: gets the entry ``cache`` where the teacher had to be asked.
        verify: as of :meth:`ckd_plugins.signals.Store.open`.
        crew: who asks; by default this process.
    """
    teacher = made.teacher
    keys = teacher.keys(material.instances)
    # Rows without a history are in some families' train sets only, and no teacher is asked about them.
    distinct = np.unique(keys[keys != 0])
    wanted = blake2b(distinct.tobytes(), digest_size=6).hexdigest()
    # Each way of storing them has a place of its own, so that runs with one and the other do not take turns.
    kept_as = "" if teacher.form == "topk" else _kept_as(plan.signals)
    path = plan.cache_dir / "signals" / f"{stem}-{wanted}{kept_as}"
    provenance = Provenance(
        teacher=plan.component.name,
        dataset=material.domain.name,
        weights_hash=teacher.digest,
        data_hash=material.data_hash,
        split_hash=material.split_hash,
        text_hash=plan.text,
        max_length=teacher.max_length,
        temperature=teacher.temperature,
        summary=type(teacher).__name__,
    )
    expected = {k: v for k, v in vars(provenance).items() if k != "summary"}
    if path.is_dir():
        try:
            return Store.open(path, expected, verify)
        except SignalError as damage:
            reporter.say(f"{plan.label}: stored knowledge is not usable ({damage}); asking the teacher again")
            discard(path)
    started = time.perf_counter()
    layout, items = _layout(teacher, material, plan.signals)
    size = _shard_size(len(distinct))
    writer = StoreWriter(path, provenance, layout, keys=keys, items=items, shard_size=size, replace=True, wait=True)
    with writer:
        if total := sum(1 for _ in writer.pending()):  # else another process has made it while we waited
            job = Job(plan.component.name, made.folder, teacher, material.instances, writer.rows)
            with reporter.task(f"cache {plan.label}", total) as advance:
                (crew or ThisProcess()).fill(job, writer, advance, reporter)
    seconds["cache"] = time.perf_counter() - started
    return Store.open(path, expected, verify=False)


def _shard_size(rows: int) -> int:
    """Rows of a shard: sixteen shards, so that several processes have something to share, but none tiny or huge.

    Of the data alone: whoever asks, and how many they are, the store has the same bytes.
    """
    return min(SHARD_SIZE, max(_LEAST, -(-rows // 16)))


def _kept_as(signals: Signals) -> str:
    """What is appended to a store's name for settings that are not the default ones."""
    vectors = "" if signals.vectors == "float16" else f"-{signals.vectors}"
    return vectors if signals.top is None else f"{vectors}-top{signals.top}"


def _layout(teacher: Any, material: Material, signals: Signals) -> tuple[Layout, Sequence[str]]:
    """How the knowledge is stored, and the items that it is about."""
    items = material.domain.items
    if teacher.form == "topk":
        return Layout.topk(min(teacher.k, len(items))), items
    known, factors = (np.asarray(of(material.domain)) for of in (teacher.known_items, teacher.item_factors))
    for name, array in (("known_items", known), ("item_factors", factors)):
        if len(array) != len(items):
            raise SignalError(f"{name} has shape {array.shape}; it needs a row for each of {len(items)} items")
    at = np.flatnonzero(known)
    return Layout.factors(factors[at], signals.vectors, signals.top), [items[i] for i in at]
