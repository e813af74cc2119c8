from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.signals import Layout, Provenance, StoreWriter

torch.set_num_threads(1)

CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class World:
    """A teacher's knowledge, complete: what every form and store is made from and compared with."""

    keys: np.ndarray  # uint64 [R], distinct
    items: tuple[str, ...]
    vectors: np.ndarray  # float32 [R, d]
    item_vectors: np.ndarray  # float32 [n, d]

    @property
    def table(self) -> np.ndarray:
        return self.vectors @ self.item_vectors.T

    @property
    def tokens(self) -> tuple[str | None, ...]:
        """The student's numbering: padding first."""
        return ("[PAD]", *self.items)

    def layout(self, kind: str, dtype: str = "float32") -> Layout:
        return {
            "factors": lambda: Layout.factors(self.item_vectors, dtype),
            "listed": lambda: Layout.factors(self.item_vectors, dtype, top=3),
            "topk": lambda: Layout.topk(len(self.items), dtype),
            "dense": lambda: Layout.dense(len(self.items), dtype),
        }[kind]()

    def rows(self, kind: str, rows: np.ndarray) -> dict[str, np.ndarray]:
        if kind in ("factors", "listed"):
            return {"vectors": self.vectors[rows]}
        if kind == "dense":
            return {"scores": self.table[rows]}
        best_first = np.argsort(-self.table[rows], axis=1)
        return {"ids": best_first, "scores": np.take_along_axis(self.table[rows], best_first, 1)}


def make_world(rows: int = 10, items: int = 6, width: int = 4, seed: int = 0) -> World:
    rng = np.random.default_rng(seed)
    return World(
        keys=rng.permutation(np.arange(1, rows + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15),
        items=tuple(f"i{n}" for n in rng.permutation(items)),
        vectors=rng.standard_normal((rows, width), np.float32),
        item_vectors=rng.standard_normal((items, width), np.float32),
    )


@pytest.fixture(scope="session")
def world_of() -> Callable[..., World]:
    return make_world


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def provenance() -> Provenance:
    return Provenance(
        teacher="unisrec",
        dataset="games",
        weights_hash="w1",
        data_hash="d1",
        split_hash="s1",
        text_hash="t1",
        max_length=50,
        temperature=0.07,
        summary="a teacher",
    )


@pytest.fixture(scope="session")
def write_store(provenance: Provenance) -> Callable[..., Path]:
    """Write a world's whole store and return its path."""

    def write(path: Path, world: World, kind: str = "factors", dtype: str = "float32", **options: Any) -> Path:
        given = {"keys": world.keys, "items": world.items, "shard_size": 4, "created": CREATED, **options}
        source = given.pop("provenance", provenance)
        with StoreWriter(path, source, world.layout(kind, dtype), **given) as writer:
            for shard in writer.pending():
                writer.write(shard, **world.rows(kind, shard.rows))
        return path

    return write
