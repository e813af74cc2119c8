"""What a row's scores over all of a teacher's items come to: the best of them, and the log-sum-exp of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ckd_plugins.signals.layout import BEST

__all__ = ["Best", "BoundBest", "Listed", "find_best"]

_BLOCK_BYTES = 16 << 20
"""Of scores that exist at once while lists are made."""

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Best:
    r"""The ``n`` items that each of ``S`` stored rows scores highest, and :math:`\log \sum_i e^{s_i / T}`.

    With it the softmax at the teacher's temperature ``T`` over all ``M`` items is known wherever a score is:
    :math:`\log p_i = s_i / T - \log \sum_j e^{s_j / T}`.
    """

    ids: Tensor
    """int32 ``[S, n]`` stored item indices, best first."""
    scores: Tensor
    """float32 ``[S, n]``, not divided by the temperature. Not fp16: its rounding of a cosine, divided by a temperature
    of 0.07, is as large as all that int8 does to a vector, and exchanges items whose scores are close."""
    logsumexp: Tensor
    """float32 ``[S]``, of all items' scores over the temperature."""

    @classmethod
    def among(cls, arrays: Mapping[str, Tensor]) -> Best | None:
        """Take them from a store's arrays; ``None`` where it keeps no lists."""
        return cls(*(arrays[name] for name in BEST)) if set(arrays) >= set(BEST) else None


class Listed(NamedTuple):
    """The best items of ``B`` rows in the student's numbering; ``n`` as many as are stored."""

    items: Tensor
    """int64 ``[B, n]``, best first; 0 in rows that the teacher does not know."""
    log_probs: Tensor
    """float32 ``[B, n]`` in nats, over all items that the teacher knows, at its temperature; ``LOG_ZERO`` in rows that
    it does not know."""
    outside: Tensor
    """float32 ``[B]``: the probability of all items that are not listed; 1 in rows that it does not know."""


class BoundBest:
    """Lists in a run's own numbering.

    Args:
        best: as stored.
        items: int64 ``[n]``, the stored index of each of the run's items; -1 is unknown.
        stored: ``M``, how many items the log-sum-exp is of.
        temperature: the teacher's.
    """

    def __init__(self, best: Best, items: Tensor, stored: int, temperature: float) -> None:
        self._best = best
        self.temperature = temperature
        """What the log-sum-exp is of."""
        self.complete = best.ids.shape[1] == stored
        """Whether a list has all items."""
        at = (items >= 0).nonzero().flatten().to("cpu")
        self._ids = torch.zeros(stored, dtype=torch.int64)
        self._ids[items[at.to(items.device)].to("cpu")] = at

    @staticmethod
    def fits(items: Tensor, stored: int) -> bool:
        """Whether the run has each stored item once: else lists and log-sum-exp are of another catalogue."""
        known = items[items >= 0]
        return len(known) == stored == len(torch.unique(known))

    @property
    def n(self) -> int:
        """Length of a list."""
        return self._best.ids.shape[1]

    def ids(self, at: Tensor, n: int) -> Tensor:
        """Return the run's ids of the ``n`` best items, int64 ``[B, n]``, for stored rows ``at`` (int64 ``[B]``)."""
        return self._ids[self._best.ids.index_select(0, at)[:, :n].long()]

    def logsumexp(self, at: Tensor) -> Tensor:
        """Return float32 ``[B]``."""
        return self._best.logsumexp.index_select(0, at)

    def log_probs(self, at: Tensor) -> Tensor:
        """Return the listed items' log-probabilities over all ``M`` items, float32 ``[B, n]``."""
        return self._best.scores.index_select(0, at) / self.temperature - self.logsumexp(at)[:, None]


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
@torch.no_grad()
def find_best(vectors: _Array, scales: _Array | None, item_vectors: _Array, temperature: float, n: int) -> list[_Array]:
    """Score every item for each row, a block of rows at a time, and keep what :class:`Best` keeps.

    Blocks are cut from the first row on, and multiplied by one thread: the same rows give the same bytes whoever works
    on them, while several threads sum in another order.

    Args:
        vectors: ``[rows, d]``, as stored: rounded already, so that lists are of what a reader multiplies.
        scales: float32 ``[rows]`` for int8 vectors, else ``None``.
        item_vectors: float32 ``[M, d]``.
        temperature: the teacher's.
        n: length of a list, ``M`` at most.

    Returns:
        ids, int32 ``[rows, n]``, best first; scores, float32 ``[rows, n]``; log-sum-exp, float32 ``[rows]``.
    """
    table = torch.from_numpy(np.ascontiguousarray(item_vectors)).T
    step = max(1, _BLOCK_BYTES // (4 * len(item_vectors)))
    ids, scores = np.empty((len(vectors), n), np.int32), np.empty((len(vectors), n), np.float32)
    total = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), step):
        rows = slice(start, start + step)
        exact = torch.from_numpy(vectors[rows]).float()
        if scales is not None:
            exact *= torch.from_numpy(scales[rows])[:, None]
        every = exact @ table
        best = every.topk(n, dim=1)
        ids[rows], scores[rows] = best.indices.numpy(), best.values.numpy()
        total[rows] = every.div_(temperature).logsumexp(dim=1).numpy()
    return [ids, scores, total]
