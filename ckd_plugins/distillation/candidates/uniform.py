"""Candidates: random items of the catalogue."""

from __future__ import annotations

import torch
from torch import Tensor

from ckd_plugins.distillation.candidates.base import Candidates, CandidateSource, generator_for, own_target_first
from ckd_plugins.errors import ConfigError

__all__ = ["Uniform"]


class Uniform(CandidateSource):
    """``n`` random items, shared by the batch, beside each row's own target: ``[B, n + 1]``.

    Items are dealt from a shuffled deck, so that every item of the catalogue comes up about once before one comes up
    twice, at a cost that does not grow with the catalogue.

    Args:
        n: random items a batch.
        seed: of the deck.

    Raises:
        ConfigError: ``n`` is not positive, or (when bound) larger than the catalogue.
    """

    def __init__(self, *, n: int = 100, seed: int = 0) -> None:
        if n < 1:
            raise ConfigError(f"candidates uniform: n must be 1 or more, not {n}")
        self.n = n
        self.seed = seed
        self._n_items = 0
        self.set_epoch(0)

    def bind(self, n_items: int, popularity: Tensor) -> None:
        """Learn the size of the catalogue."""
        if self.n > n_items - 1:
            raise ConfigError(
                f"candidates uniform: n = {self.n} exceeds the catalogue's {n_items - 1} items; "
                "lower n, or use the candidates 'full'"
            )
        self._n_items = n_items
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle a new deck for ``epoch``."""
        self._generator = generator_for(self.seed, epoch)
        self._deck = torch.empty(0, dtype=torch.int64)

    def choose(self, rows: Tensor, targets: Tensor) -> Candidates:
        """Return ``[B, n + 1]`` items, the own target in column 0."""
        if not self._n_items:
            raise RuntimeError("Uniform.bind(n_items, popularity) must be called before the first batch")
        if len(self._deck) < self.n:
            self._deck = torch.randperm(self._n_items - 1, generator=self._generator) + 1
        dealt, self._deck = self._deck[: self.n], self._deck[self.n :]
        return own_target_first(targets, dealt.to(targets.device))
