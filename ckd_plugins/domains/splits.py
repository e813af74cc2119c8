"""Sorting of interactions by user and time, and the leave-one-out split, on plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["leave_last_out", "sort_by_user"]

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


def sort_by_user(
    users: Sequence[str] | npt.NDArray[Any], order: Sequence[float] | npt.NDArray[Any] | None
) -> tuple[dict[Any, int], Int64, Int64]:
    """Group interactions by user (in order of first appearance) and sort each user's by ``order``, stably.

    Returns:
        User token -> user number; ``int64 [U + 1]`` bounds of each user's part; ``int64 [N]`` interactions in order.
    """
    index: dict[Any, int] = {}
    number = np.fromiter((index.setdefault(u, len(index)) for u in users), dtype=np.int64, count=len(users))
    # lexsort is stable, and its last key is the first to sort by.
    rows = np.lexsort((np.asarray(order), number)) if order is not None else np.argsort(number, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=len(index)))]).astype(np.int64)
    return index, offsets, rows


def leave_last_out(offsets: Int64, sequence: Int32, count: int) -> tuple[Int64, Int32, Int32]:
    """Take the last ``count`` interactions of each user out of the sequence; a user's first always stays.

    Returns:
        The new bounds ``[U + 1]``, the new sequence, and what was taken ``int32 [U, count]``, the newest in the last
        column and -1 where the user had too few.
    """
    lengths = np.diff(offsets)
    taken = np.minimum(count, np.maximum(lengths - 1, 0))
    held = np.full((len(lengths), count), -1, dtype=np.int32)
    for back in range(1, count + 1):
        enough = taken >= back
        held[enough, count - back] = sequence[offsets[1:][enough] - back]
    kept = lengths - taken
    position = np.arange(len(sequence)) - np.repeat(offsets[:-1], lengths)
    new_offsets = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    return new_offsets, sequence[position < np.repeat(kept, lengths)], held
