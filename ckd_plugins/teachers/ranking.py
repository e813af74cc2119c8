"""Full ranking of all items by score: the rank of each row's target, and metrics of ranks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["ndcg", "recall", "target_ranks"]

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

_SCORES = 1 << 22  # scores held at a time


def target_ranks(rows: Float32, items: Float32, target: npt.NDArray[np.integer]) -> Int64:
    """Return each target's rank among all items, 1 for the best; history is not masked.

    Items with the target's own score share the middle of their ranks, so that equal scores for all give no false hits.

    Args:
        rows: ``[R, d]`` one vector a row.
        items: ``[n, d]`` one vector an item.
        target: ``[R]`` item indices.
    """
    ranks = np.empty(len(target), dtype=np.int64)
    step = max(1, _SCORES // max(1, len(items)))
    for begin in range(0, len(target), step):
        part = slice(begin, begin + step)
        scores = rows[part] @ items.T
        own = np.take_along_axis(scores, np.asarray(target[part], dtype=np.int64)[:, None], axis=1)
        ranks[part] = 1 + (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) // 2
    return ranks


def ndcg(ranks: Int64, k: int = 10) -> float:
    """Return NDCG@k with one relevant item a row: the mean of ``1 / log2(1 + rank)`` over ranks up to ``k``."""
    return float(np.where(ranks <= k, 1 / np.log2(1 + ranks), 0).mean()) if len(ranks) else 0.0


def recall(ranks: Int64, k: int = 10) -> float:
    """Return Recall@k with one relevant item a row, which is the hit rate."""
    return float((ranks <= k).mean()) if len(ranks) else 0.0
