"""Histories with their next items, as rows over one long array, in batches of like length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.encoders.batching import within_budget

__all__ = ["Batch", "Rows", "draw"]

Int64 = npt.NDArray[np.int64]

_CHUNK = 8  # batches among which rows are sorted by length; more gives less padding and less mixing


@dataclass(frozen=True)
class Batch:
    """Rows that are read together."""

    row: Int64
    """``[B]`` their numbers."""
    items: Int64
    """``[B, L]`` item index + 1, newest first, 0 for padding."""
    target: Int64
    """``[B]`` item index."""


@dataclass(frozen=True)
class Rows:
    """Histories ``flat[start:stop]``, oldest first, and the items that follow them."""

    flat: Int64
    """``[N]`` item indices."""
    start: Int64
    stop: Int64
    target: Int64
    """``[R]`` item indices; -1 where nothing is asked."""

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def single(cls, items: Int64) -> Rows:
        """Return one row an item, whose history is that item."""
        start = np.arange(len(items))
        return cls(items, start, start + 1, np.full(len(items), -1))

    def newest(self, most: int) -> Rows:
        """Return the rows with histories of at most ``most`` items."""
        return Rows(self.flat, np.maximum(self.start, self.stop - most), self.stop, self.target)

    def tokens(self, lengths: Int64, longest: int) -> Int64:
        """Return each row's number of tokens, given each item's, ``[R]``."""
        total = np.concatenate([[0], np.cumsum(lengths[self.flat])])
        tokens: Int64 = np.minimum(longest, 1 + total[self.stop] - total[self.start])
        return tokens

    def batches(self, cost: Int64, most: int, rng: np.random.Generator | None = None) -> Iterator[Batch]:
        """Yield batches of rows of like cost.

        Args:
            cost: ``[R]`` tokens of each row.
            most: rows in a batch; without ``rng``, tokens in a batch, padding included.
            rng: shuffles rows and batches; without it they come in the order of their cost.
        """
        if rng is None:
            order = np.argsort(cost, kind="stable")
            parts = [order[r.start : r.stop] for r in within_budget(cost[order], most)]
        else:
            order = rng.permutation(len(self))
            chunk = np.arange(len(order)) // (most * _CHUNK)
            order = order[np.lexsort((cost[order], chunk))]
            parts = np.split(order, np.arange(most, len(order), most))
            parts = [parts[i] for i in rng.permutation(len(parts))]
        for part in parts:
            if len(part):
                yield self.batch(part)

    def batch(self, rows: Int64) -> Batch:
        """Return these rows."""
        length = self.stop[rows] - self.start[rows]
        steps = np.arange(int(length.max(initial=1)))
        inside = steps < length[:, None]
        items = np.zeros(inside.shape, np.int64)
        items[inside] = self.flat[(self.stop[rows][:, None] - 1 - steps)[inside]] + 1
        return Batch(rows, items, self.target[rows])


def draw(flat: Int64, offsets: Int64, rng: np.random.Generator, *, second_half: bool = False) -> Rows:
    """Draw one position of each user's sequence; the item there is the target, those before it are the history.

    Users with fewer than two items are left out. The published fine-tuning may also draw the first position, which
    leaves an empty history; here a history has an item.

    Args:
        flat: ``[N]`` item indices.
        offsets: ``[U + 1]`` bounds of each user's part.
        rng: draws.
        second_half: only from the second half of a sequence, as the published pre-training does.
    """
    length = np.diff(offsets)
    user = np.flatnonzero(length > 1)
    begin, length = offsets[user], length[user]
    least = np.maximum(1, length // 2) if second_half else np.ones_like(length)
    stop = begin + rng.integers(least, length)
    return Rows(flat, begin, stop, flat[stop])
