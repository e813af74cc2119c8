"""What a teacher is asked about: rows of (history of items, target item)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.keys import token_hashes, window_keys

__all__ = ["Instances", "places"]

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Instances:
    """Rows of (history, target) that share one long array of items.

    The history of row ``r`` is ``flat[start[r]:stop[r]]``, oldest first. An empty history means that nothing is known
    of the row: teachers give it no signal.

    Raises:
        ValueError: if the arrays disagree in length or point outside one another.
    """

    items: tuple[str, ...]
    """Item tokens; an item's index is its position here."""
    flat: Int32
    """``[N]`` item indices: the users' sequences, one after the other."""
    start: Int64
    """``[R]`` first position of each row's history in ``flat``."""
    stop: Int64
    """``[R]`` one past its last position."""
    target: Int32
    """``[R]`` item index of each row's target."""
    users: tuple[str, ...] = ()
    """Tokens of the users whose rows these are, for teachers that know people rather than histories."""
    user: Int64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """``[R]`` index of each row's user in ``users``, -1 where nobody says; all -1 when it is left out."""

    def __post_init__(self) -> None:
        for name, dtype in (("flat", np.int32), ("start", np.int64), ("stop", np.int64), ("target", np.int32)):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=dtype))
        given = np.asarray(self.user) if len(self.user) else np.full(len(self.target), -1)
        object.__setattr__(self, "user", np.ascontiguousarray(given, dtype=np.int64))
        if len(self.user) != len(self.target) or self.user.max(initial=-1) >= len(self.users):
            raise ValueError(f"user must name one of {len(self.users)} users for each of {len(self.target)} rows")
        if not len(self.start) == len(self.stop) == len(self.target):
            raise ValueError(f"start, stop, target have {len(self.start)}, {len(self.stop)}, {len(self.target)} rows")
        for name, values in (("flat", self.flat), ("target", self.target)):
            if len(values) and (values.min() < 0 or values.max() >= len(self.items)):
                raise ValueError(f"{name} holds item indices outside 0 .. {len(self.items) - 1}")
        if len(self.start) and (
            self.start.min() < 0 or self.stop.max() > len(self.flat) or bool((self.start > self.stop).any())
        ):
            raise ValueError(f"start and stop must be windows of flat, which has {len(self.flat)} positions")

    def __len__(self) -> int:
        return len(self.target)

    @property
    def lengths(self) -> Int64:
        """``int64 [R]``: number of items in each history."""
        return self.stop - self.start

    def history(self, row: int) -> Int32:
        """Return the item indices of one row's history, oldest first."""
        return self.flat[self.start[row] : self.stop[row]]

    def take(self, rows: npt.ArrayLike) -> Instances:
        """Return the chosen rows, in the given order; ``flat`` is shared."""
        rows = np.asarray(rows)
        return replace(
            self, start=self.start[rows], stop=self.stop[rows], target=self.target[rows], user=self.user[rows]
        )

    @cached_property
    def _flat_hashes(self) -> UInt64:
        return token_hashes(self.items)[self.flat] if len(self.flat) else np.zeros(0, dtype=np.uint64)

    def keys(self, max_length: int) -> UInt64:
        """Return the content key of each row's last ``max_length`` history tokens.

        The key depends on the tokens and their order alone: not on the numbering of the items, the order of the rows,
        the user, or the run. Two histories that agree in their last ``max_length`` tokens have the same key.

        Returns:
            ``uint64 [R]``; 0 for an empty history and for no other.
        """
        self._check_length(max_length)
        return window_keys(self._flat_hashes, np.maximum(self.start, self.stop - max_length), self.stop)

    def user_keys(self) -> UInt64:
        """Return the key of each row's user, for teachers that give all rows of a user one answer.

        Returns:
            ``uint64 [R]``; 0 for a row without a history or without a known user, and for no other.
        """
        if not self.users:
            return np.zeros(len(self), dtype=np.uint64)
        keys = np.maximum(token_hashes(self.users), np.uint64(1))[self.user]
        keys[(self.user < 0) | (self.lengths == 0)] = 0
        return keys

    def padded(self, rows: npt.ArrayLike, max_length: int, *, newest_last: bool = True) -> tuple[Int64, Int64]:
        """Return histories as one right-padded matrix, as wide as the longest of them.

        Args:
            rows: ``[B]`` row numbers.
            max_length: how many of the newest items to keep.
            newest_last: oldest item first; otherwise newest first.

        Returns:
            ``int64 [B, L]``, item index + 1 with 0 for padding (``1 <= L <= max_length``), and the lengths
            ``int64 [B]``, 0 for an empty history.
        """
        self._check_length(max_length)
        rows = np.asarray(rows, dtype=np.int64)
        stop = self.stop[rows]
        length = np.minimum(stop - self.start[rows], max_length)
        steps = np.arange(max(1, int(length.max(initial=0))))
        position = (stop - length)[:, None] + steps if newest_last else stop[:, None] - 1 - steps
        inside = steps < length[:, None]
        padded = np.zeros(inside.shape, dtype=np.int64)
        padded[inside] = self.flat[position[inside]].astype(np.int64) + 1
        return padded, length

    @staticmethod
    def _check_length(max_length: int) -> None:
        if max_length < 1:
            raise ValueError(f"max_length must be at least 1, not {max_length}")


def places(tokens: Sequence[str], among: Sequence[str]) -> Int64:
    """Return ``int64 [len(tokens)]``: each token's index ``among`` others, -1 for one that is not there."""
    if tokens == among:
        return np.arange(len(tokens))
    index = {token: i for i, token in enumerate(among)}
    return np.fromiter((index.get(token, -1) for token in tokens), np.int64, len(tokens))
