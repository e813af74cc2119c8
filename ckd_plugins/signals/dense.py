"""Dense: every item's score for every instance. For small catalogues and for tests."""

from __future__ import annotations

import torch
from torch import Tensor

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.bound import BoundSignal, finite, identity_items, identity_rows

__all__ = ["DenseSignal"]


class DenseSignal(BoundSignal):
    """Scores that are all written down: ``score(row, item) = table[row, item]``.

    Args:
        table: float ``[S, M]``, stored scores, any float dtype; may be memory-mapped.
        rows: int64 ``[R]``, position of each of the run's rows in ``table``; -1 is unknown.
        items: int64 ``[n]``, column of each of the student's items; -1 is unknown.
        name: the teacher's name.
        temperature: the teacher's softmax temperature.
    """

    def __init__(self, table: Tensor, rows: Tensor, items: Tensor, *, name: str, temperature: float) -> None:
        super().__init__(rows, items, name=name, temperature=temperature)
        if table.ndim != 2:
            raise SignalError(f"signal {name!r}: dense scores {tuple(table.shape)} must be [rows, items]")
        self._table = table

    @classmethod
    def from_arrays(
        cls,
        table: Tensor,
        *,
        name: str = "teacher",
        temperature: float = 1.0,
        known: Tensor | None = None,
        padding: int | None = 0,
    ) -> DenseSignal:
        """Make a signal without a store: ``table[r, i]`` is the score of row ``r`` and the student's item ``i``.

        Args:
            table: float ``[R, n]``, padding's column included.
            name: the teacher's name.
            temperature: the teacher's softmax temperature.
            known: bool ``[R]``; ``None`` is all.
            padding: the item id that is no item; ``None`` if there is none.
        """
        finite(table, f"signal {name!r}: scores")
        rows, items = identity_rows(len(table), known), identity_items(table.shape[1], padding)
        return cls(table, rows, items, name=name, temperature=temperature)

    @torch.no_grad()
    def scores(self, rows: Tensor, candidates: Tensor) -> Tensor:
        """Return the written scores, float32 ``[B, C]``."""
        self._check_batch(rows, candidates)
        positions = self._positions(rows)
        table = self._table.index_select(0, positions.clamp_min(0).to(self._table.device)).to(candidates.device)
        columns = self._stored_items(candidates)
        picked = (
            table.index_select(1, columns.clamp_min(0)) if columns.ndim == 1 else table.gather(1, columns.clamp_min(0))
        )
        unknown = (columns < 0) | (positions < 0).to(columns.device)[:, None]
        return picked.float().masked_fill_(unknown, 0.0)
