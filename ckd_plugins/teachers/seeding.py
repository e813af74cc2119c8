"""Random numbers of a teacher's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ckd_plugins.teachers.keeping import watched

__all__ = ["seeded"]


@contextmanager
def seeded(seed: int, device: str) -> Iterator[np.random.Generator]:
    """Seed torch for the time being, and give a generator for the order of batches; the host's numbers do not move.

    The generator counts to the state of trainings (:func:`ckd_plugins.teachers.keeping.watched`).
    """
    devices = [device] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        with watched(np.random.default_rng(seed)) as generator:
            yield generator
