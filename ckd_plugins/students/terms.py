"""Means of named terms over an epoch, without a synchronisation a batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["Terms"]

_BLOCK = 256
"""Batches whose terms are summed up at once: one by one that is a tenth of a small graph model's step."""


class Terms:
    """Accumulates detached tensors by name; a tensor that is no scalar counts with its mean, NaN not at all."""

    def __init__(self) -> None:
        self._open: dict[str, list[Tensor]] = {}
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Count one batch's terms in."""
        for name, value in terms.items():
            found = torch.as_tensor(value).detach()
            values = self._open.setdefault(name, [])
            values.append(found.double().mean() if found.ndim else found)
            if len(values) == _BLOCK:
                self._sum_up(name)

    def means(self) -> dict[str, float]:
        """Each term's mean over the batches that had it; of a term that was NaN in all of them nothing is known."""
        for name in self._open:
            self._sum_up(name)
        counts = {name: int(count) for name, count in self._counts.items()}
        return {name: float(total) / counts[name] for name, total in self._sums.items() if counts[name]}

    def pop(self) -> dict[str, float]:
        """Return the means and start anew."""
        means = self.means()
        self._open, self._sums, self._counts = {}, {}, {}
        return means

    def _sum_up(self, name: str) -> None:
        if not (values := self._open[name]):
            return
        batches = torch.stack(values).double()
        there = ~batches.isnan()
        total, count = torch.where(there, batches, 0.0).sum(), there.sum()
        known = name in self._sums
        self._sums[name] = self._sums[name] + total if known else total
        self._counts[name] = self._counts[name] + count if known else count
        values.clear()
