"""Random states that a run depends on, kept while something else draws from them."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence

import numpy as np
import torch

__all__ = ["random_states_kept"]


@contextlib.contextmanager
def random_states_kept(devices: Sequence[int] | None = None) -> Iterator[None]:
    """Put the states of ``random``, numpy and torch back as they were.

    Probing a model and training its teachers stand between a model's initialisation and its fit; a plain run has
    neither, and must be the same run.

    Args:
        devices: CUDA devices whose generators are kept; all by default.
    """
    python, array = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if devices is None else devices
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(array)
