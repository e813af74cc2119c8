"""Candidates: the distinct targets of the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from ckd_plugins.distillation.candidates.base import Candidates, CandidateSource, generator_for, own_target_first
from ckd_plugins.errors import ConfigError

__all__ = ["InBatch"]


class InBatch(CandidateSource):
    """The batch's distinct targets: every row's target is a negative of the other rows.

    An item that several rows have as target is one candidate, so no row meets a false duplicate of its own target.
    Popular items come up in proportion to their popularity.

    Source: CKD-MDSR (arXiv:2401.00797) distils in-batch negatives' scores; that the positive is inside the softmax and
    that duplicates are merged is reconstructed.

    Args:
        limit: most candidates per row, for readers that pay for each (row, item) pair (FM, DeepFM): a random
            ``limit - 1`` of the distinct targets, shared by all rows, beside the row's own. ``None`` keeps all.
        seed: of the subsample.

    Raises:
        ConfigError: ``limit`` is below 2.
    """

    def __init__(self, *, limit: int | None = None, seed: int = 0) -> None:
        if limit is not None and limit < 2:
            raise ConfigError(
                f"candidates in_batch: limit must be 2 or more, not {limit}: one candidate teaches nothing"
            )
        self.limit = limit
        self.seed = seed
        self._generator = generator_for(seed, 0)

    def set_epoch(self, epoch: int) -> None:
        """Restart the subsample's random state for ``epoch``."""
        self._generator = generator_for(self.seed, epoch)

    def __call__(self, targets: Tensor) -> Candidates:
        """Return ``[C]`` items, or ``[B, limit]`` when more than ``limit`` distinct targets had to be cut."""
        items, column = torch.unique(targets, return_inverse=True)
        if self.limit is None or len(items) <= self.limit:
            return Candidates(items=items, target=column)
        chosen = torch.randperm(len(items), generator=self._generator)[: self.limit - 1]
        return own_target_first(targets, items[chosen.to(items.device)])
