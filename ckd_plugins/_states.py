"""What one call can change for the whole process, put back after a plugin was called."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["states_kept"]


@contextmanager
def states_kept() -> Iterator[None]:
    """Put random states, torch's grad mode and its default dtype back as they were.

    A run's next draw and next step depend on them: an observer that seeds or switches them for its own ends would make
    it another run, or end it. Numpy and torch are looked at only where they are loaded. Half a millisecond on a CPU,
    nearly all of it numpy's: no hook fires more often than once an epoch.
    """
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    python = random.getstate()
    array = None if numpy is None else numpy.random.get_state()
    if torch is not None:
        grad, dtype, cpu = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_rng_state()
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(array)
        if torch is not None:
            torch.set_grad_enabled(grad)
            torch.set_default_dtype(dtype)
            torch.set_rng_state(cpu)
            if cuda is not None:
                torch.cuda.set_rng_state_all(cuda)
