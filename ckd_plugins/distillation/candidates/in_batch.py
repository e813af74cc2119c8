"""Candidates: the distinct targets of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ckd_plugins.distillation.candidates.base import Candidates, CandidateSource, generator_for, own_target_first
from ckd_plugins.domains.naming import item_domains
from ckd_plugins.errors import ConfigError

__all__ = ["InBatch"]


class InBatch(CandidateSource):
    """The batch's distinct targets: every row's target is a negative of the other rows.

    An item that several rows have as target is one candidate, so no row meets a false duplicate of its own target.
    Popular items come up in proportion to their popularity.

    Source: CKD-MDSR (arXiv:2401.00797) distils in-batch negatives' scores; that the positive is inside the softmax and
    that duplicates are merged is reconstructed.

    Args:
        limit: most candidates per row: a random ``limit - 1`` of the distinct targets, shared by all rows, beside the
            row's own. ``None`` keeps all. A run that does not name it gives it by the student: all where its own loss
            is a softmax over the catalogue, 16 where each (row, item) pair is a pass through the model (FM, DeepFM),
            and 200 elsewhere if batches can have 600 or more.
        own_domain: only items of the row's own domain, where the data are several domains merged and items are named
            ``domain/item``: telling domains apart is easy, and takes up much of a softmax over all of them. With a
            ``limit``, that many of the own domain.
        seed: of the subsample.

    Raises:
        ConfigError: ``limit`` is below 2, or (when bound) ``own_domain`` is set and items are named otherwise.
    """

    def __init__(self, *, limit: int | None = None, own_domain: bool = False, seed: int = 0) -> None:
        if limit is not None and limit < 2:
            raise ConfigError(
                f"candidates in_batch: limit must be 2 or more, not {limit}: one candidate teaches nothing"
            )
        self.limit = limit
        self.own_domain = own_domain
        self.seed = seed
        self._generator = generator_for(seed, 0)
        self._domain = torch.empty(0, dtype=torch.int64)

    def bind_tokens(self, tokens: Sequence[str | None]) -> None:
        """Learn the items' domains, if they matter."""
        if not self.own_domain:
            return
        _, domain = item_domains(tokens)
        other = next((t for t, of in zip(tokens, domain.tolist(), strict=True) if t is not None and of < 0), None)
        if other is not None:
            raise ConfigError(
                f"candidates in_batch: own_domain needs items that are named domain/item, and one is named {other!r}; "
                "leave own_domain out"
            )
        self._domain = torch.from_numpy(domain)

    def set_epoch(self, epoch: int) -> None:
        """Restart the subsample's random state for ``epoch``."""
        self._generator = generator_for(self.seed, epoch)

    def choose(self, rows: Tensor, targets: Tensor) -> Candidates:
        """Return ``[C]`` items, or ``[B, limit]`` when more than ``limit`` distinct targets had to be cut."""
        items, column = torch.unique(targets, return_inverse=True)
        if self.own_domain:
            return self._of_own_domain(targets, items, column)
        if self.limit is None or len(items) <= self.limit:
            return Candidates(items=items, target=column)
        return own_target_first(targets, self._some(items, self.limit - 1))

    def _of_own_domain(self, targets: Tensor, items: Tensor, column: Tensor) -> Candidates:
        if not len(self._domain):
            raise RuntimeError("InBatch.bind_tokens(tokens) must be called before the first batch")
        if self._domain.device != targets.device:
            self._domain = self._domain.to(targets.device)
        of_rows, of_items = self._domain[targets], self._domain[items]
        if self.limit is None or len(items) <= self.limit:
            return Candidates(items=items, target=column, mask=of_items == of_rows[:, None])
        chosen = targets[:, None].repeat(1, self.limit)
        mask = torch.zeros_like(chosen, dtype=torch.bool)
        for domain in torch.unique(of_items):
            at = (of_rows == domain).nonzero().flatten()
            part = own_target_first(targets[at], self._some(items[of_items == domain], self.limit - 1))
            assert part.mask is not None
            chosen[at, : part.items.shape[1]], mask[at, : part.items.shape[1]] = part.items, part.mask
        return Candidates(items=chosen, target=torch.zeros_like(targets), mask=mask)

    def _some(self, items: Tensor, n: int) -> Tensor:
        """Draw ``n`` of the items, or all where they are fewer."""
        return items[torch.randperm(len(items), generator=self._generator)[:n].to(items.device)]
