"""Means of named terms over an epoch, without a synchronisation a batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["Terms"]


class Terms:
    """Accumulates detached tensors by name; a tensor that is no scalar counts with its mean, NaN not at all."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Count one batch's terms in."""
        for name, value in terms.items():
            mean = torch.as_tensor(value).detach().double().mean()
            counts = ~mean.isnan()
            mean = torch.where(counts, mean, 0.0)
            self._sums[name] = mean if name not in self._sums else self._sums[name] + mean
            self._counts[name] = counts.long() if name not in self._counts else self._counts[name] + counts

    def means(self) -> dict[str, float]:
        """Each term's mean over the batches that had it; 0 where none had."""
        return {name: float(total) / max(1, int(self._counts[name])) for name, total in self._sums.items()}

    def pop(self) -> dict[str, float]:
        """Return the means and start anew."""
        means = self.means()
        self._sums, self._counts = {}, {}
        return means
