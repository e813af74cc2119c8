"""Columns of tokens and of numbers, as files hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ckd_plugins.domains.keys import token_hashes, window_keys

__all__ = ["Numbers", "Tokens", "bounds"]

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
Float32 = npt.NDArray[np.float32]

_SHOWN = 4  # tokens of a history in a message


def bounds(lengths: npt.ArrayLike) -> Int64:
    """Return ``[n + 1]`` where each of several parts begins and the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@dataclass(frozen=True)
class Tokens:
    """Rows of tokens, one or several each: row ``r`` is ``codes[offsets[r]:offsets[r + 1]]``, looked up."""

    codes: Int64
    """``[N]`` places in ``vocabulary``."""
    vocabulary: Sequence[str]
    offsets: Int64
    """``[R + 1]``."""

    @classmethod
    def of(cls, flat: Sequence[str] | npt.NDArray[Any], lengths: npt.ArrayLike | None = None) -> Self:
        """Make rows of ``lengths`` tokens each, one after the other; of one token each without lengths."""
        codes, words = pd.factorize(np.asarray(flat, dtype=object))
        offsets = np.arange(len(codes) + 1) if lengths is None else bounds(lengths)
        return cls(codes.astype(np.int64), [str(w) for w in words], offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64:
        """``[R]``."""
        return np.diff(self.offsets)

    def part(self, start: int, stop: int) -> Tokens:
        """Return some rows; the vocabulary is shared."""
        first, last = self.offsets[start], self.offsets[min(stop, len(self))]
        return Tokens(self.codes[first:last], self.vocabulary, self.offsets[start : stop + 1] - first)

    def name(self, row: int) -> str:
        """One row for a message; of a long one the newest tokens."""
        codes = self.codes[self.offsets[row] : self.offsets[row + 1]]
        shown = " ".join(self.vocabulary[c] for c in codes[-_SHOWN:])
        return repr(f"... {shown}" if len(codes) > _SHOWN else shown)

    def numbered(self, index: Mapping[str, int]) -> Int64:
        """``[N]`` each token's number in another catalogue, -1 where that lacks it."""
        table = np.fromiter((index.get(t, -1) for t in self.vocabulary), np.int64, count=len(self.vocabulary))
        return table[self.codes] if len(table) else self.codes

    def single_keys(self) -> UInt64:
        """``[R]`` keys of rows of one token, as :meth:`Instances.user_keys` gives them."""
        return np.maximum(token_hashes(self.vocabulary), np.uint64(1))[self.codes]

    def history_keys(self, max_length: int) -> UInt64:
        """``[R]`` keys of each row's last ``max_length`` tokens, as :meth:`Instances.keys` gives them."""
        hashes = token_hashes(self.vocabulary)[self.codes] if len(self.codes) else np.zeros(0, np.uint64)
        start, stop = self.offsets[:-1], self.offsets[1:]
        return window_keys(hashes, np.maximum(start, stop - max_length), stop)


@dataclass(frozen=True)
class Numbers:
    """Rows of numbers, one or several each."""

    flat: Float32
    offsets: Int64
    """``[R + 1]``."""

    @classmethod
    def of(cls, table: npt.NDArray[Any]) -> Self:
        """Make rows of a vector ``[R]`` or a matrix ``[R, d]``."""
        wide = table.reshape(len(table), -1)
        flat = np.ascontiguousarray(wide, dtype=np.float32).reshape(-1)
        return cls(flat, np.arange(len(wide) + 1, dtype=np.int64) * wide.shape[1])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64:
        """``[R]``."""
        return np.diff(self.offsets)
