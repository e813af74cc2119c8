"""What measures of difficulty may look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ckd_plugins.errors import DataError

__all__ = ["Evidence", "Floats", "Ints"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """The training rows of a run, in its order: ``R`` rows over ``n`` items.

    The history of row ``r`` is ``flat[start[r]:stop[r]]``. Integer arrays are held as int64, the others as float64.
    None can be written into, since other measures read them too.

    Raises:
        DataError: the arrays disagree in length.
    """

    flat: Ints
    """``[N]`` item indices: the users' sequences, one after the other."""
    start: Ints
    """``[R]`` first position of each row's history in ``flat``."""
    stop: Ints
    """``[R]`` one past its last position."""
    targets: Ints
    """``[R]`` item index of each row's target."""
    popularity: Floats
    """``[n]`` train interactions of each item."""
    confidence: Floats | None = None
    """``[R]`` mean confidence of the teachers in [0, 1]; NaN where none knows the row. ``None`` = no teachers asked."""
    disagreement: Floats | None = None
    """``[R]`` mean divergence between the teachers (1 - consistency); NaN where none knows the row."""
    student_loss: Floats | None = None
    """``[R]`` what the student lost on each row when it last met it, in nats, 0 at chance; NaN where it has not.
    ``None`` = no student is watched."""

    def __post_init__(self) -> None:
        for name in ("flat", "start", "stop", "targets"):
            object.__setattr__(self, name, _read_only(np.asarray(getattr(self, name), dtype=np.int64)))
        for name in ("popularity", "confidence", "disagreement", "student_loss"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _read_only(np.asarray(value, dtype=np.float64)))
        rows = {
            "start": self.start,
            "stop": self.stop,
            "confidence": self.confidence,
            "disagreement": self.disagreement,
            "student_loss": self.student_loss,
        }
        for name, array in rows.items():
            if array is not None and len(array) != len(self.targets):
                raise DataError(f"curriculum evidence: {name} has {len(array)} rows, targets {len(self.targets)}")

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def lengths(self) -> Ints:
        """``[R]`` number of items in each history."""
        return self.stop - self.start

    def history_sum(self, values: Floats) -> Floats:
        """Sum of ``values [n]`` over each row's history: ``[R]``, 0 for an empty one.

        Running sums instead of a loop: rows of one user overlap almost entirely.
        """
        running = np.concatenate([[0.0], np.cumsum(values[self.flat])])
        total: Floats = running[self.stop] - running[self.start]
        return total


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
