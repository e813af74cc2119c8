"""What a model that ranks for users knows of each: the items that score best, as many as any use can need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from ckd_plugins.domains.domain import Domain

__all__ = ["UserLists"]

_BLOCK = 1 << 24  # scores that are in memory at once


@dataclass(frozen=True)
class UserLists:
    """Lists of different lengths, one after the other; user ``u`` has ``ids[offsets[u]:offsets[u + 1]]``."""

    offsets: npt.NDArray[np.int64]
    """``[U + 1]``."""
    ids: npt.NDArray[np.int32]
    """``[N]`` item indices, best first."""
    scores: npt.NDArray[np.float32]
    """``[N]``."""

    @classmethod
    def of(cls, domain: Domain, k: int, scores: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]) -> Self:
        """Keep the best of each user's scores: ``k + 1``, and as many more as the user knows items.

        So ``k`` are left when what the user knows is masked, and a list of ``k`` can tell what it ties with.

        Args:
            domain: whose users; one without training interactions gets no list.
            k: length of the lists that are wanted.
            scores: from users ``[B]`` to scores ``[B, n_items]``.
        """
        known = np.diff(domain.offsets)
        wanted = np.where(known > 0, np.minimum(k + 1 + known + (domain.valid >= 0), domain.n_items), 0)
        offsets = np.concatenate([[0], np.cumsum(wanted)]).astype(np.int64)
        ids, values = np.zeros(offsets[-1], np.int32), np.zeros(offsets[-1], np.float32)
        step = max(1, _BLOCK // domain.n_items)
        for start in range(0, domain.n_users, step):
            users = np.flatnonzero(known[start : start + step] > 0) + start
            if not len(users):
                continue
            longest = int(wanted[users].max())
            top, order = torch.from_numpy(scores(users)).topk(longest, dim=1)
            inside = np.arange(longest) < wanted[users, None]
            part = slice(offsets[users[0]], offsets[users[-1] + 1])
            ids[part], values[part] = order.numpy()[inside], top.numpy()[inside]
        return cls(offsets, ids, values)

    def fill(self, table: npt.NDArray[np.float32], users: npt.NDArray[np.int64]) -> None:
        """Write each row's user's scores into ``table[B, n_items]``; a user of -1 has none."""
        length = np.where(users >= 0, np.diff(self.offsets)[users], 0)
        row = np.repeat(np.arange(len(users)), length)
        place = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
        at = self.offsets[users[row]] + place
        table[row, self.ids[at]] = self.scores[at]
