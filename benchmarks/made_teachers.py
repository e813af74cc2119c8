"""Teachers of random vectors, cached as trained ones are: for questions of cost, where what they know is no matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from speed_own import Worker

from ckd_plugins.signals import Layout, Provenance, Store, StoreWriter

SPREAD = 2.0
"""Standard deviation of a row's scores over the temperature, as trained teachers have it on *office*."""
NAMES = ("first", "second", "third")


def write_teacher(path: Path, keys: Any, items: Any, *, width: int, seed: int, dtype: str, top: int | None) -> Store:
    """Write a teacher's store, and open it.

    Args:
        path: the store's folder.
        keys: uint64 ``[R]``, of the instances.
        items: the items' tokens.
        width: dimensions of a vector.
        seed: of its vectors.
        dtype: of the instances' vectors.
        top: length of stored lists, or ``None``.
    """
    draw = np.random.default_rng(seed)
    hashes = dict.fromkeys(("weights_hash", "data_hash", "split_hash", "text_hash"), f"random {seed}")
    source = Provenance(teacher=path.name, dataset="made", max_length=50, temperature=0.5, **hashes)
    item_vectors = draw.standard_normal((len(items), width), np.float32)
    layout = Layout.factors(item_vectors, dtype, top)
    with StoreWriter(path, source, layout, keys=keys, items=items) as writer:
        for shard in writer.pending():
            vectors = draw.standard_normal((len(shard.rows), width), np.float32)
            writer.write(shard, vectors=vectors * (SPREAD * 0.5 / width**0.5))
    return Store.open(path)


class Student(Worker):
    """A student whose teachers, as many as asked for, are random vectors."""

    def __init__(
        self, dataset: str, settings: dict[str, Any], teachers: int, ckd: dict[str, Any], scratch: Path
    ) -> None:
        self.stores: list[Store] = []
        self.signals: list[Any] = []
        self.scratch = scratch
        named = [{"name": "unisrec", "as": name} for name in NAMES[:teachers]]
        section = {"teachers": named, "curriculum": None, "cache_dir": str(self.scratch), **ckd}
        super().__init__("SASRec", dataset, settings, teachers=teachers > 0, ckd=section)

    def _teach(self, material: Any) -> list[Any]:
        from ckd_plugins.training.teaching import Taught

        self.material, taught = material, []
        keys = material.instances.keys(50)
        for seed, component in enumerate(self._ckd.teachers):
            about = self._ckd.signals
            path = self.scratch / f"{component.label}-{about.vectors}-{about.top}"
            items = material.domain.items
            store = write_teacher(path, keys, items, width=300, seed=seed, dtype=about.vectors, top=about.top)
            signal = store.bind(keys, material.tokens)
            self.stores.append(store)
            self.signals.append(signal)
            taught.append(Taught(component.label, None, signal, path, path, f"random {seed}"))
        return taught
