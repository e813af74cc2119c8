"""Random numbers of a teacher's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["seeded"]


@contextmanager
def seeded(seed: int, device: str) -> Iterator[np.random.Generator]:
    """Seed torch for the time being, and give a generator for the order of batches; the host's numbers do not move."""
    devices = [device] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield np.random.default_rng(seed)
