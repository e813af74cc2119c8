"""Training rows that hold a whole window of a user's sequence, for models that learn from all its positions at once.

RecBole makes one row of every prefix: a sequence of 50 interactions is encoded 49 times an epoch. A causal model gets
the same targets out of one pass over the longest prefix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd_plugins.errors import ConfigError
from ckd_plugins.host.compat import prepare

prepare()
from recbole.data.dataset import SequentialDataset  # noqa: E402

from ckd_plugins.host.speed.histories import take_rows  # noqa: E402

__all__ = ["WindowDataset", "window_ends"]


class WindowDataset(SequentialDataset):  # type: ignore[misc]
    """RecBole's sequential dataset, of whose train rows only those are kept that cover each target once.

    A row ``(i_1 ... i_n) -> i_n+1`` stands for the ``n`` targets ``i_2 ... i_n+1``. The last row of each user is kept,
    and as many windows before it as the sequence has beyond ``MAX_ITEM_LIST_LENGTH``. Validation and test rows are
    RecBole's.

    Raises:
        ConfigError: the split is not leave-one-out by time: a window would then hold targets of other splits.
    """

    ckd_windowed = True
    """Read by :func:`ckd_plugins.host.data.is_windowed`, which must not import RecBole."""

    def build(self) -> list[Any]:
        """Split as RecBole does, and thin the train rows out."""
        mode = next(iter(self.config["eval_args"]["split"] or {"": None}))
        if self.benchmark_filename_list is not None or mode != "LS":
            raise ConfigError(
                f"{self.config['model']} learns from whole sequences, which needs the split eval_args.split: "
                f"{{LS: valid_and_test}}; set it, or take a model with one target a row"
            )
        train, *others = super().build()
        features = train.inter_feat
        lengths = features[self.item_list_length_field].numpy()
        kept = window_ends(features[self.uid_field].numpy(), lengths)
        return [train.copy(take_rows(features, kept)), *others]


def window_ends(users: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which prefix rows cover every target of every user once.

    Args:
        users: ``[R]`` user of each row; a user's rows stand in the order of time, and each of them is there.
        lengths: ``[R]`` history length of each row.

    Returns:
        ``[K]`` row numbers, by user and time.
    """
    order = np.argsort(users, kind="stable")
    first = np.append(np.flatnonzero(np.diff(users[order], prepend=-1)), len(order))
    kept: list[int] = []
    for start, stop in zip(first[:-1].tolist(), first[1:].tolist(), strict=True):
        row, ends = stop - 1, []
        while row >= start:
            ends.append(row)
            row -= int(lengths[order[row]])
        kept += reversed(ends)
    rows: NDArray[np.int64] = order[kept]
    return rows
