"""What the three forms share: the binding of stored rows and items to a run's numbering."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.base import Signal

__all__ = ["PADDING_TOKEN", "BoundSignal", "align_items", "finite", "identity_items", "identity_rows"]

PADDING_TOKEN = "[PAD]"
"""RecBole's token of item id 0; never an item that a teacher knows."""


class BoundSignal(Signal):
    """A signal whose rows and items are looked up once, when it is made, so that a batch is plain indexing.

    Args:
        rows: int64 ``[R]``, the position of each of the run's rows in the stored knowledge; -1 is unknown.
        items: int64 ``[n]``, the stored index of each of the student's items; -1 is unknown.
        name: the teacher's name.
        temperature: what readers divide the scores by; positive.
    """

    def __init__(self, rows: Tensor, items: Tensor, *, name: str, temperature: float) -> None:
        if not temperature > 0.0:
            raise SignalError(f"signal {name!r}: temperature is {temperature}, it must be positive")
        self.name, self.temperature = name, float(temperature)
        self._rows = rows.to("cpu", torch.int64)
        self._items = items.to(torch.int64)

    def __len__(self) -> int:
        """Return the number of rows, known or not."""
        return len(self._rows)

    def __repr__(self) -> str:
        known = int((self._rows >= 0).sum()), int((self._items >= 0).sum())
        return (
            f"{type(self).__name__}(name={self.name!r}, rows={len(self)} ({known[0]} known), "
            f"items={len(self._items)} ({known[1]} known), temperature={self.temperature:g})"
        )

    def known(self, rows: Tensor) -> Tensor:
        """Return which rows are stored, on the device of ``rows``."""
        return (self._positions(rows) >= 0).to(rows.device)

    def known_items(self, candidates: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return which candidates are stored; the same for every row."""
        return self._stored_items(candidates) >= 0

    def _positions(self, rows: Tensor) -> Tensor:
        """Return the rows' positions in the stored knowledge, on the CPU, where that is mapped."""
        return self._rows[rows.to("cpu")]

    def _stored_items(self, candidates: Tensor) -> Tensor:
        """Return the candidates' stored indices, on the candidates' device."""
        if self._items.device != candidates.device:
            self._items = self._items.to(candidates.device)
        return self._items[candidates]

    def _check_batch(self, rows: Tensor, candidates: Tensor) -> None:
        if rows.ndim != 1 or candidates.ndim not in (1, 2) or (candidates.ndim == 2 and len(candidates) != len(rows)):
            raise SignalError(
                f"signal {self.name!r}: rows {tuple(rows.shape)} and candidates {tuple(candidates.shape)} "
                "do not fit; give rows [B] and candidates [C] or [B, C]"
            )


def align_items(stored: Sequence[str], item_tokens: Sequence[str | None]) -> Tensor:
    """Return the stored index of each of the run's items, -1 for padding and for items that are not stored.

    Args:
        stored: tokens of the stored items.
        item_tokens: the run's tokens by item id; ``None`` and ``"[PAD]"`` are padding.
    """
    index = {token: i for i, token in enumerate(stored)}
    index.pop(PADDING_TOKEN, None)
    return torch.tensor([-1 if t is None else index.get(t, -1) for t in item_tokens], dtype=torch.int64)


def identity_rows(n: int, known: Tensor | None = None) -> Tensor:
    """Return the binding of rows that are stored in the run's own order; ``known`` is bool ``[n]``."""
    rows = torch.arange(n)
    return rows if known is None else rows.masked_fill(~known.to("cpu"), -1)


def identity_items(n: int, padding: int | None) -> Tensor:
    """Return the binding of items that are stored by the student's ids; ``padding`` is the id to leave unknown."""
    items = torch.arange(n)
    if padding is not None and n:
        items[padding] = -1
    return items


def finite(array: Tensor, what: str) -> Tensor:
    """Return ``array`` if all of it is finite.

    Raises:
        SignalError: it is not; a NaN would reach the student's loss silently.
    """
    if not bool(torch.isfinite(array).all()):
        raise SignalError(f"{what} hold NaN or infinite values; a signal must be finite")
    return array
