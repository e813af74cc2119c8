"""Candidates: random items of the catalogue, popular ones more often."""

from __future__ import annotations

import torch
from torch import Tensor

from ckd_plugins.distillation.candidates.base import Candidates, CandidateSource, generator_for, own_target_first
from ckd_plugins.errors import ConfigError

__all__ = ["Popular"]


class Popular(CandidateSource):
    r"""``n`` random items by popularity, shared by the batch, beside each row's own target: ``[B, n + 1]``.

    Items are drawn one after the other, without replacement, each with probability
    :math:`\propto c_i^\alpha` among those that are left, where :math:`c_i` counts an item's train interactions. Items
    that nobody chose are never drawn, unless :math:`\alpha = 0`.

    Source: Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", NeurIPS 2013
    (negatives by count to the power of 3/4); drawn in one pass by keys: Efraimidis & Spirakis, "Weighted Random
    Sampling with a Reservoir", 2006.

    Args:
        n: random items a batch.
        alpha: power of the popularity; 0 draws all items equally often.
        seed: of the draws.

    Raises:
        ConfigError: ``n`` or ``alpha`` is out of range, or (when bound) ``n`` is larger than the number of items that
            can be drawn.
    """

    def __init__(self, *, n: int = 100, alpha: float = 0.75, seed: int = 0) -> None:
        if n < 1:
            raise ConfigError(f"candidates popular: n must be 1 or more, not {n}")
        if not 0 <= alpha < float("inf"):
            raise ConfigError(f"candidates popular: alpha must be 0 or more, not {alpha}")
        self.n, self.alpha, self.seed = n, alpha, seed
        self._items = torch.empty(0, dtype=torch.int64)
        self.set_epoch(0)

    def bind(self, n_items: int, popularity: Tensor) -> None:
        """Learn the items' popularity."""
        drawn = torch.arange(n_items) if self.alpha == 0 else popularity.cpu().nonzero().flatten()
        self._items = drawn[drawn > 0]  # not padding
        if self.n > len(self._items):
            raise ConfigError(
                f"candidates popular: n = {self.n} exceeds the {len(self._items)} items that have interactions; lower n"
            )
        self._log_weights = self.alpha * popularity.cpu().double()[self._items].clamp_min(1).log()

    def set_epoch(self, epoch: int) -> None:
        """Restart the random state for ``epoch``."""
        self._generator = generator_for(self.seed, epoch)

    def choose(self, rows: Tensor, targets: Tensor) -> Candidates:
        """Return ``[B, n + 1]`` items, the own target in column 0."""
        if not len(self._items):
            raise RuntimeError("Popular.bind(n_items, popularity) must be called before the first batch")
        # The n smallest of E_i / w_i with exponential E_i, as logarithms: any alpha stays within range.
        waits = torch.empty_like(self._log_weights).exponential_(generator=self._generator)
        keys = self._log_weights - waits.clamp_min(torch.finfo(waits.dtype).tiny).log()
        return own_target_first(targets, self._items[keys.topk(self.n).indices].to(targets.device))
