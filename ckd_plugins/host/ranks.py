"""Where each held-out item stands in a full ranking: what RecBole's evaluator averages over users and forgets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ckd_plugins.host.speed.best import best_columns

__all__ = ["RankRecorder", "Ranks"]


@dataclass(frozen=True)
class Ranks:
    """Held-out (user, item) pairs of a split and their ranks."""

    user: NDArray[np.int64]
    """``[P]`` RecBole ids."""
    item: NDArray[np.int64]
    """``[P]`` RecBole ids."""
    rank: NDArray[np.int32]
    """``[P]`` from 1; 0 is none of the best ``k``."""
    k: int
    """The largest of ``topk``: ranks below it are not kept."""


class RankRecorder:
    """Looks at the batches of a full ranking, as RecBole's trainer hands them to its collector.

    Args:
        k: how many of the best items are looked at.
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self._found: list[tuple[Tensor, Tensor, Tensor]] = []

    def take(self, users: Tensor, scores: Tensor, positive_u: Tensor, positive_i: Tensor) -> None:
        """Take a batch.

        Args:
            users: ``[R]`` RecBole ids of the rows' users.
            scores: ``[R, n_items]``; what may not be recommended is ``-inf``.
            positive_u: ``[P]`` row of each held-out item.
            positive_i: ``[P]`` the item; a pair that comes twice counts once, as in RecBole's metrics.
        """
        # The very selection that the metrics are made of: among equal scores any count of them would differ.
        best = best_columns(scores, self._k)
        pairs = torch.unique(torch.stack([positive_u, positive_i]).to(best.device), dim=1)  # type: ignore[no-untyped-call]
        hit = best[pairs[0]] == pairs[1, :, None]
        rank = torch.where(hit.any(dim=1), hit.int().argmax(dim=1) + 1, 0)
        self._found.append((users.cpu()[pairs[0].cpu()], pairs[1].cpu(), rank.cpu()))

    def ranks(self) -> Ranks:
        """What was found, in the order of the batches."""
        user, item, rank = (torch.cat(column).numpy() for column in zip(*self._found, strict=True))
        return Ranks(user.astype(np.int64), item.astype(np.int64), rank.astype(np.int32), self._k)
