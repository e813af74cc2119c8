"""The k-core of interactions: the largest part in which every user and every item has k of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["k_core"]


def k_core(users: npt.NDArray[Any], items: npt.NDArray[Any], k: int) -> npt.NDArray[np.bool_]:
    """Return which interactions are in the k-core.

    Users and items with fewer than ``k`` interactions are dropped together until none is left (Seidman 1983, on the
    bipartite graph); the result does not depend on the order of dropping.

    Args:
        users: ``[N]`` user number of each interaction, from 0.
        items: ``[N]`` item number of each interaction, from 0.
        k: 0 and 1 keep everything.
    """
    kept = np.ones(len(users), dtype=bool)
    if k < 2:
        return kept
    rows = np.arange(len(users))
    while len(rows):
        u, i = users[rows], items[rows]
        enough = (np.bincount(u)[u] >= k) & (np.bincount(i)[i] >= k)
        if enough.all():
            break
        rows = rows[enough]
    kept[:] = False
    kept[rows] = True
    return kept
