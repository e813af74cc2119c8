"""What a teacher says of a run's instances, asked once and stored."""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ckd_plugins.config import Signals
from ckd_plugins.errors import SignalError
from ckd_plugins.signals.layout import Layout
from ckd_plugins.signals.manifest import Provenance
from ckd_plugins.signals.store import Store
from ckd_plugins.signals.writer import StoreWriter, discard
from ckd_plugins.training.material import Material
from ckd_plugins.training.progress import Reporter
from ckd_plugins.training.teaching.plan import Plan

__all__ = ["open_store"]


def open_store(
    plan: Plan,
    teacher: Any,
    material: Material,
    stem: str,
    reporter: Reporter,
    seconds: dict[str, float],
    verify: Literal["auto"] | bool = "auto",
) -> Store:
    """Open the store of a teacher's answers, made first if there is none that fits.

    Args:
        plan: the teacher's.
        teacher: who is asked.
        material: the run's data.
        stem: of the store's name; what the rows are follows it.
        reporter: shows progress.
        seconds: gets the entry ``cache`` where the teacher had to be asked.
        verify: as of :meth:`ckd_plugins.signals.Store.open`.
    """
    keys = teacher.keys(material.instances)
    # Rows without a history are in some families' train sets only, and no teacher is asked about them.
    wanted = blake2b(np.unique(keys[keys != 0]).tobytes(), digest_size=6).hexdigest()
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
    writer = StoreWriter(path, provenance, layout, keys=keys, items=items, replace=True, wait=True)
    with writer:
        total = writer.manifest.n_shards
        with reporter.task(f"cache {plan.label}", total) as advance:
            for done, shard in enumerate(writer.pending(), start=1):
                writer.write(shard, **_answers(teacher, material, shard.rows))
                advance(done, f"{writer.manifest.rows} instances")
    seconds["cache"] = time.perf_counter() - started
    return Store.open(path, expected, verify=False)


def _kept_as(signals: Signals) -> str:
    """What is appended to a store's name for settings that are not the default ones."""
    vectors = "" if signals.vectors == "float16" else f"-{signals.vectors}"
    return vectors if signals.top is None else f"{vectors}-top{signals.top}"


def _layout(teacher: Any, material: Material, signals: Signals) -> tuple[Layout, Sequence[str]]:
    """How the knowledge is stored, and the items that it is about."""
    items = material.domain.items
    if teacher.form == "topk":
        return Layout.topk(min(teacher.k, len(items))), items
    known = np.flatnonzero(teacher.known_items(material.domain))
    factors = teacher.item_factors(material.domain)[known]
    return Layout.factors(factors, signals.vectors, signals.top), [items[i] for i in known]


def _answers(teacher: Any, material: Material, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    if teacher.form == "topk":
        ids, scores = teacher.lists(material.instances, rows)
        return {"ids": ids, "scores": scores}
    return {"vectors": teacher.encode(material.instances, rows)}
