"""A domain with something to learn, and a text encoder that needs no language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from ckd_plugins.domains import Domain, TextEncoder

CLUSTERS, SIZE = 6, 10


class Words(TextEncoder):
    """The mean of fixed random vectors of a text's words."""

    name, dim, identity = "words", 16, "words-1"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors: dict[str, np.ndarray] = {}
        for word in (w for t in texts for w in t.split()):
            seed = int.from_bytes(word.encode()[:8], "little")
            vectors.setdefault(word, np.random.default_rng(seed).standard_normal(self.dim))
        return np.array([np.mean([vectors[w] for w in t.split()], axis=0) for t in texts], np.float32)


def walks(name: str = "walks", users: int = 240, seed: int = 0, *, missing: int = 0) -> Domain:
    """Users walk along the chain of one cluster, with a jump within it now and then; all items are about as popular."""
    rng = np.random.default_rng(seed)
    rows, items = [], []
    for user in range(users):
        cluster, step = rng.integers(CLUSTERS), rng.integers(SIZE)
        for _ in range(rng.integers(4, 9)):
            rows.append(f"u{user}")
            items.append(f"{name}-{cluster}-{step}")
            step = (step + 1) % SIZE if rng.random() < 0.85 else rng.integers(SIZE)
    tokens = [f"{name}-{c}-{s}" for c in range(CLUSTERS) for s in range(SIZE)]
    texts: dict[str, str | None] = {t: f"cluster{t.split('-')[1]} step{t.split('-')[2]}" for t in tokens}
    texts.update(dict.fromkeys(tokens[:missing]))
    return Domain.from_interactions(name, rows, items, texts=texts, leave_one_out=True)


def pictures(path: Path, *domains: Domain, share: float = 1.0, dim: int = 12) -> Path:
    """Image vectors for a share of the domains' items: which cluster an item is of, and noise."""
    rng = np.random.default_rng(5)
    tokens = [t for d in domains for t in d.items if rng.random() < share]
    looks = np.random.default_rng(6).standard_normal((CLUSTERS, dim))
    seen = np.array([looks[int(t.split("-")[1])] for t in tokens]) + 0.1 * rng.standard_normal((len(tokens), dim))
    np.savez(path, tokens=np.array(tokens), vectors=seen.astype(np.float32))
    return path


@pytest.fixture(scope="session")
def domain() -> Domain:
    return walks()


@pytest.fixture(scope="session")
def words() -> Words:
    return Words()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
