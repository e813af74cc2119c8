"""Sequences cut to what one forward pass reads, and batches of like length.

With a causal encoder one pass over a sequence gives the state after every prefix. A window is one such pass: the items
it reads, and from which of its positions on the states are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Batch", "Windows", "next_item_windows", "only_known", "prefix_windows"]

Int64 = npt.NDArray[np.int64]

_CHUNK = 8  # batches among which windows are sorted by length; more gives less padding and less mixing


@dataclass(frozen=True)
class Batch:
    """Windows of one forward pass, right padded, and the states that are read from it."""

    windows: Int64
    """``[B]`` which windows these are."""
    items: Int64
    """``[B, L]`` what ``flat`` holds, 0 for padding."""
    row: Int64
    """``[P]`` row of each state."""
    column: Int64
    """``[P]`` column of each state."""
    position: Int64
    """``[P]`` position of each state's newest item in ``flat``; its next item is one further."""


@dataclass(frozen=True)
class Windows:
    """Parts ``flat[start:stop]`` of one long array, of which the states from ``first`` to ``stop - 1`` are read."""

    flat: Int64
    """``[N]`` item numbers, from 1."""
    start: Int64
    stop: Int64
    first: Int64

    def __len__(self) -> int:
        return len(self.start)

    def batches(self, reads: int, rng: np.random.Generator | None = None) -> Iterator[Batch]:
        """Yield batches that read about ``reads`` states each, of windows of like length.

        Args:
            reads: states in a batch; a batch ends with the window that reaches it.
            rng: shuffles windows and batches; without it the order is by length.
        """
        order = np.arange(len(self)) if rng is None else rng.permutation(len(self))
        counts, lengths = (self.stop - self.first)[order], (self.stop - self.start)[order]
        chunk = np.zeros(len(self), dtype=np.int64)
        if rng is not None:
            chunk = (np.cumsum(counts) - counts) // (reads * _CHUNK)
        by_length = np.lexsort((lengths, chunk))
        order, counts, chunk = order[by_length], counts[by_length], chunk[by_length]
        number = (np.cumsum(counts) - counts) // reads
        bounds = np.flatnonzero(np.diff(number) | np.diff(chunk)) + 1
        parts = np.split(order, bounds) if len(order) else []
        for i in range(len(parts)) if rng is None else rng.permutation(len(parts)):
            yield self._batch(parts[i])

    def _batch(self, rows: Int64) -> Batch:
        start, stop, first = self.start[rows], self.stop[rows], self.first[rows]
        columns = np.arange(int((stop - start).max()))
        inside = columns < (stop - start)[:, None]
        items = np.zeros(inside.shape, dtype=np.int64)
        items[inside] = self.flat[(start[:, None] + columns)[inside]]
        row, column = np.nonzero(inside & (columns >= (first - start)[:, None]))
        return Batch(rows, items, row, column, start[row] + column)


def next_item_windows(offsets: Int64, flat: Int64, max_length: int, *, all_positions: bool = True) -> Windows:
    """Return the windows that predict each user's items from those before them.

    Args:
        offsets: ``[U + 1]`` bounds of each user's part of ``flat``.
        flat: ``[N]`` item numbers, from 1.
        max_length: items that a window reads at most.
        all_positions: one window a user, all of whose states are read. Sequences longer than a window are cut into
            windows that overlap by half, so that every prediction but the first window's sees at least
            ``max_length / 2`` items. Otherwise one window a prediction, as published for SASRec in RecBole.
    """
    inputs = np.maximum(np.diff(offsets) - 1, 0)  # the last item is a target only
    stride, reach = (max(1, max_length // 2), max_length) if all_positions else (1, 1)
    count = np.where(inputs > 0, 1 + -(-np.maximum(inputs - reach, 0) // stride), 0)
    user = np.repeat(np.arange(len(inputs)), count)
    number = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    stop = np.minimum(reach + number * stride, inputs[user])
    first = np.where(number > 0, reach + (number - 1) * stride, 0)
    begin = offsets[:-1][user]
    return Windows(flat, begin + np.maximum(stop - max_length, 0), begin + stop, begin + first)


def prefix_windows(flat: Int64, start: Int64, stop: Int64) -> tuple[Windows, Int64]:
    """Return the fewest windows that give the states after ``flat[start:stop]`` of every row.

    Rows with one start are prefixes of the longest of them, so one window serves all.

    Returns:
        The windows, and for each row the number of its window, -1 where the row is empty.
    """
    filled = stop > start
    starts, inverse = np.unique(start[filled], return_inverse=True)
    stops = np.zeros(len(starts), dtype=np.int64)
    np.maximum.at(stops, inverse, stop[filled])
    window = np.full(len(start), -1, dtype=np.int64)
    window[filled] = inverse
    return Windows(flat, starts, stops, starts), window


def only_known(flat: Int64, start: Int64, stop: Int64, known: npt.NDArray[np.bool_]) -> tuple[Int64, Int64, Int64]:
    """Return a long array without what is not known, and the bounds of its parts in it.

    Args:
        flat: ``[N]``.
        start: first position of each part.
        stop: one past its last position.
        known: ``[N]``, which positions to keep.
    """
    if known.all():
        return flat, start, stop
    before = np.concatenate([[0], np.cumsum(known)])
    return flat[known], before[start], before[stop]
