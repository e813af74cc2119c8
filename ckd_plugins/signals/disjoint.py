"""Several teachers that know rows of their own each, as one: a teacher for each domain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.base import Signal

__all__ = ["DisjointSignal"]


class DisjointSignal(Signal):
    """What one of several signals says, for each row the one that knows it.

    Scores are brought to the temperature of the first signal, so that each row's softmax is that of its own teacher.

    Args:
        parts: signals about the same rows and items, no row known to two of them.
        name: of all together.

    Raises:
        SignalError: there is none.
    """

    def __init__(self, parts: Sequence[Signal], name: str) -> None:
        if not parts:
            raise SignalError(f"signal {name!r} has no parts; give one at least")
        self._parts = list(parts)
        self.name, self.temperature = name, parts[0].temperature
        self._scores_at = self.temperature  # whoever sets another temperature means the softmax, not the scores

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, parts={self._parts!r})"

    def scores(self, rows: Tensor, candidates: Tensor) -> Tensor:
        """Return the scores of each row's own signal, float32 ``[B, C]``."""
        found = torch.zeros(len(rows), candidates.shape[-1], device=candidates.device)
        for part in self._parts:
            at = part.known(rows).to(candidates.device).nonzero().flatten()
            if len(at):
                asked = candidates if candidates.ndim == 1 else candidates[at]
                found[at] = part.scores(rows[at.to(rows.device)], asked) * (self._scores_at / part.temperature)
        return found

    def known(self, rows: Tensor) -> Tensor:
        """Return which rows one of the signals knows."""
        known = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
        for part in self._parts:
            known |= part.known(rows)
        return known

    def known_items(self, candidates: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return the candidates that each row's own signal knows, or, without ``rows``, those that any knows."""
        if rows is None:
            return torch.stack([part.known_items(candidates) for part in self._parts]).any(dim=0)
        found = torch.zeros(len(rows), candidates.shape[-1], dtype=torch.bool, device=candidates.device)
        for part in self._parts:
            at = part.known(rows).to(candidates.device).nonzero().flatten()
            if len(at):
                asked = candidates if candidates.ndim == 1 else candidates[at]
                found[at] = part.known_items(asked, rows[at.to(rows.device)])
        return found
