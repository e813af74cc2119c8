"""Factors: one vector an instance, one an item; a score is their product."""

from __future__ import annotations

import torch
from torch import Tensor

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.base import LOG_ZERO, VectorSignal
from ckd_plugins.signals.best import Best, BoundBest, Listed
from ckd_plugins.signals.bound import BoundSignal, finite, identity_items, identity_rows
from ckd_plugins.signals.products import shared_products

__all__ = ["FactorSignal"]

_BLOCK_BYTES = {"cpu": 4 << 20}
"""Item vectors gathered at once when every row has candidates of its own: [B, C, d] would not stay in memory. On a CPU
a block stays in its cache (measured, B = 1024, C = 100, d = 300: 92 ms against 253 ms with 64 MB)."""
_BLOCK_BYTES_ELSEWHERE = 64 << 20

_GATHER_COST = 48
"""A gathered vector costs as much as so many in a dense product (measured on a CPU, d = 300): with long lists of own
candidates, scoring the whole catalogue and picking is the faster way."""

_SAMPLE = 4096
"""Rows whose vectors are measured: reading all of a mapped file would take what the file takes."""


class FactorSignal(BoundSignal, VectorSignal):
    """Exact scores for every candidate set: ``score(row, item) = vector[row] @ item_vector[item]``.

    The form for UniSRec, Recformer and nearly every sequential model. Vectors may be fp16 or int8 and memory-mapped;
    products are computed in float32. A batch costs one gather and one product.

    Args:
        vectors: ``[S, d]``, stored instance vectors, any float dtype, or int8 with ``scales``.
        item_vectors: float ``[M, d]``, stored item vectors.
        rows: int64 ``[R]``, position of each of the run's rows in ``vectors``; -1 is unknown.
        items: int64 ``[n]``, index of each of the student's items in ``item_vectors``; -1 is unknown.
        name: the teacher's name.
        temperature: the teacher's softmax temperature.
        scales: float ``[S]``, what each stored vector is multiplied by; ``None`` is 1.
        best: each stored row's best items; used where the run has every stored item, and else left aside, because the
            best and their probabilities among fewer items are others.
    """

    def __init__(
        self,
        vectors: Tensor,
        item_vectors: Tensor,
        rows: Tensor,
        items: Tensor,
        *,
        name: str,
        temperature: float,
        scales: Tensor | None = None,
        best: Best | None = None,
    ) -> None:
        super().__init__(rows, items, name=name, temperature=temperature)
        if vectors.ndim != 2 or item_vectors.ndim != 2 or vectors.shape[1] != item_vectors.shape[1]:
            raise SignalError(
                f"signal {name!r}: vectors {tuple(vectors.shape)} and item vectors {tuple(item_vectors.shape)} "
                "must be [rows, d] and [items, d] with the same d"
            )
        if scales is not None and scales.shape != vectors.shape[:1]:
            raise SignalError(f"signal {name!r}: scales {tuple(scales.shape)} must be [{len(vectors)}], one a vector")
        self._vectors, self._scales = vectors, scales
        self.width = vectors.shape[1]
        # In the student's numbering and float32 once, not per batch; an unknown item's zeros give its score of 0.
        stored, n_stored = items.to(item_vectors.device), len(item_vectors)
        fits = best is not None and BoundBest.fits(items, n_stored)
        self._best = BoundBest(best, items, n_stored, self.temperature) if best is not None and fits else None
        self._table = item_vectors.detach()[stored.clamp_min(0)].float().masked_fill_((stored < 0)[:, None], 0.0)

    @classmethod
    def from_arrays(
        cls,
        vectors: Tensor,
        item_vectors: Tensor,
        *,
        name: str = "teacher",
        temperature: float = 1.0,
        known: Tensor | None = None,
        padding: int | None = 0,
    ) -> FactorSignal:
        """Make a signal without a store: row ``r`` is ``vectors[r]``, the student's item ``i`` ``item_vectors[i]``.

        Args:
            vectors: float ``[R, d]``.
            item_vectors: float ``[n, d]``, padding's row included.
            name: the teacher's name.
            temperature: the teacher's softmax temperature.
            known: bool ``[R]``; ``None`` is all.
            padding: the item id that is no item; ``None`` if there is none.
        """
        return cls(
            finite(vectors, f"signal {name!r}: vectors"),
            finite(item_vectors, f"signal {name!r}: item vectors"),
            identity_rows(len(vectors), known),
            identity_items(len(item_vectors), padding),
            name=name,
            temperature=temperature,
        )

    @torch.no_grad()
    def scores(self, rows: Tensor, candidates: Tensor) -> Tensor:
        """Return the products of the rows' and the candidates' vectors, float32 ``[B, C]``."""
        self._check_batch(rows, candidates)
        device = candidates.device
        self._move(device)
        # A student under mixed precision must not lower the teacher's.
        with torch.autocast(device.type, enabled=False):
            vectors = self._gather(rows, device)
            if candidates.ndim == 1:
                return vectors @ self._table[candidates].T
            return self._scores_per_row(vectors, candidates)

    @torch.no_grad()
    def vectors(self, rows: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows' and the items' vectors, float32 ``[B, d]`` and ``[C, d]``."""
        self._move(items.device)
        return self._gather(rows, items.device), self._table[items]

    @torch.no_grad()
    def mean_squares(self) -> tuple[float, float]:
        """Return the mean squared length of rows' and of items' vectors; 0 where none is known."""
        rows = (self._rows >= 0).nonzero()[:, 0]
        rows = rows[:: max(1, len(rows) // _SAMPLE)]
        items = (self._items >= 0).nonzero()[:, 0].to(self._table.device)
        first, second = (float(v.square().sum(dim=1).mean()) if len(v) else 0.0 for v in self.vectors(rows, items))
        return first, second

    def _move(self, device: torch.device) -> None:
        if self._table.device != device:
            self._table = self._table.to(device)

    def best(self, rows: Tensor, n: int) -> Tensor | None:
        """Return the stored lists' first ``n``; ``None`` where lists are not stored, or are shorter."""
        lists = self._best
        if lists is None or (n > lists.n and not lists.complete):
            return None
        at, known = self._stored_rows(rows)
        found = rows.new_zeros(len(rows), n)
        found[:, : lists.n] = lists.ids(at, n).masked_fill_(~known[:, None], 0)
        return found

    def log_probs(self, rows: Tensor, candidates: Tensor) -> Tensor | None:
        """Return what the stored log-sum-exp makes of the candidates' scores; ``None`` where none is stored."""
        if (lists := self._with_total()) is None:
            return None
        at, known = self._stored_rows(rows)
        total = lists.logsumexp(at).to(candidates.device)
        found = self.scores(rows, candidates).div_(self.temperature) - total[:, None]
        return found.masked_fill_(~(known.to(found.device)[:, None] & self.known_items(candidates)), LOG_ZERO)

    def listed(self, rows: Tensor) -> Listed | None:
        """Return all that is stored of the rows' best items and of the rest, without any product.

        Args:
            rows: int64 ``[B]``.

        Returns:
            On the device of ``rows``; ``None`` where lists are not stored.
        """
        if (lists := self._with_total()) is None:
            return None
        at, known = self._stored_rows(rows)
        items = lists.ids(at, lists.n).masked_fill_(~known[:, None], 0)
        log_probs = lists.log_probs(at).masked_fill_(~known[:, None], LOG_ZERO)
        outside = (1.0 - log_probs.exp().sum(dim=1)).clamp_(0.0, 1.0)
        return Listed(items.to(rows.device), log_probs.to(rows.device), outside.to(rows.device))

    def _with_total(self) -> BoundBest | None:
        """The lists, unless their log-sum-exp is of another temperature: a run may have set its own."""
        return self._best if self._best is not None and self._best.temperature == self.temperature else None

    def _stored_rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return where the rows are stored, 0 for those that are not, and which are: both on the CPU, ``[B]``."""
        positions = self._positions(rows)
        return positions.clamp_min(0), positions >= 0

    def _gather(self, rows: Tensor, device: torch.device) -> Tensor:
        """Return the rows' vectors, float32 ``[B, d]``; zeros for rows that are not stored."""
        positions = self._positions(rows)
        at = positions.clamp_min(0).to(self._vectors.device)
        vectors = self._vectors.index_select(0, at)
        vectors.masked_fill_((positions < 0).to(vectors.device)[:, None], 0)
        vectors = vectors.to(device).float()  # after the move: fewer bytes cross
        if self._scales is not None:
            vectors *= self._scales.index_select(0, at.to(self._scales.device)).to(device)[:, None]
        return vectors

    def _scores_per_row(self, vectors: Tensor, candidates: Tensor) -> Tensor:
        if (shared := shared_products(vectors, self._table, candidates)) is not None:
            return shared
        (b, c), (n, d) = candidates.shape, self._table.shape
        whole = n <= _GATHER_COST * c
        block = _BLOCK_BYTES.get(vectors.device.type, _BLOCK_BYTES_ELSEWHERE)
        step = max(1, block // (4 * max(1, n if whole else c * d)))
        out = vectors.new_empty(b, c)
        for i in range(0, b, step):
            rows, asked = vectors[i : i + step], candidates[i : i + step]
            if whole:
                out[i : i + step] = (rows @ self._table.T).gather(1, asked)
            else:
                out[i : i + step] = torch.bmm(self._table[asked], rows[:, :, None])[..., 0]
        return out
