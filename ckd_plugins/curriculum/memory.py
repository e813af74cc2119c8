"""What is remembered of the student's own losses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from ckd_plugins.curriculum.evidence import Floats

__all__ = ["LossMemory"]


class LossMemory:
    """The loss that each training row had when the student last met it.

    Args:
        rows: how many there are.
    """

    def __init__(self, rows: int) -> None:
        self.losses: Floats = np.full(rows, np.nan)
        """float64 ``[R]`` in nats, 0 at chance; NaN of rows that the student has not met."""
        self.wanted: Callable[[], bool] = lambda: True
        """Whether anybody will still go by a batch's losses."""

    def see(self, rows: Tensor, losses: Tensor) -> None:
        """Remember a batch.

        Args:
            rows: int64 ``[P]``.
            losses: ``[P]``.
        """
        self.losses[rows.cpu().numpy()] = losses.detach().double().cpu().numpy()
