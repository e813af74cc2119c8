"""The one question that a teacher answers, however its knowledge is kept."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

__all__ = ["LOG_ZERO", "Signal", "VectorSignal"]

LOG_ZERO = -1e30
"""Stands for log 0. Finite, so that 0 times it is 0 rather than NaN, and far enough above ``finfo.min`` that a gate or
a temperature times it does not overflow."""


class Signal(ABC):
    """What one teacher knows about one run's rows and items.

    Rows are the run's training instances (``ckd_row``); items are the *student's* item ids, padding included. What
    the teacher does not know scores 0 and is named by :meth:`known` and :meth:`known_items`; a score is never NaN or
    infinite. Results come on the device of ``candidates`` (of ``rows`` for :meth:`known`), without gradients.
    """

    name: str
    """The teacher's name, for logs."""
    temperature: float
    """What the reader divides the raw scores by before a softmax. The teacher's own, not the student's."""

    @abstractmethod
    def scores(self, rows: Tensor, candidates: Tensor) -> Tensor:
        """Return raw scores, not yet divided by :attr:`temperature`.

        Args:
            rows: int64 ``[B]``.
            candidates: int64 ``[C]``, shared by all rows, or ``[B, C]``, one list a row.

        Returns:
            float32 ``[B, C]``.
        """

    @abstractmethod
    def known(self, rows: Tensor) -> Tensor:
        """Return which of ``rows`` (int64 ``[B]``) the teacher was asked about: bool ``[B]``."""

    @abstractmethod
    def known_items(self, candidates: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return which candidates the teacher has an opinion on.

        Args:
            candidates: int64 ``[C]`` or ``[B, C]``.
            rows: int64 ``[B]``. Matters only to signals whose item coverage differs from row to row (top-k lists
                with ``outside="mask"``).

        Returns:
            bool, in the shape of ``candidates``; ``[B, C]`` where the coverage differs from row to row and ``rows``
            are given.
        """

    def best(self, rows: Tensor, n: int) -> Tensor | None:
        """Return the rows' best items, if that is known without scoring the catalogue.

        Args:
            rows: int64 ``[B]``.
            n: how many; the answer is ``None`` or not for all rows alike, and for the same ``n`` always.

        Returns:
            int64 ``[B, n]``, the student's item ids, best first, 0 where the teacher knows the row not or fewer items;
            ``None``, unless a signal knows better: score the catalogue.
        """
        return None

    def log_probs(self, rows: Tensor, candidates: Tensor) -> Tensor | None:
        r"""Return log-probabilities *over the whole catalogue*, if they are known without scoring all of it.

        .. math:: \log p_i = s_i / T - \log \sum_j e^{s_j / T}

        over all items ``j`` that the teacher knows, at its temperature ``T``.

        Args:
            rows: int64 ``[B]``.
            candidates: int64 ``[C]`` or ``[B, C]``.

        Returns:
            float32 ``[B, C]`` in nats, ``LOG_ZERO`` where the teacher knows the row or the item not; ``None``, unless a
            signal knows better: take the softmax of all items' scores.
        """
        return None


class VectorSignal(Signal):
    """A signal whose scores are products of vectors, which may be asked for themselves."""

    width: int
    """Their length ``d``."""

    @abstractmethod
    def vectors(self, rows: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors of rows and of items, without gradients, on the device of ``items``.

        Args:
            rows: int64 ``[B]``.
            items: int64 ``[C]``.

        Returns:
            float32 ``[B, d]`` and ``[C, d]``; zeros where the teacher does not know the row or the item.
        """

    @abstractmethod
    def mean_squares(self) -> tuple[float, float]:
        """Return the mean squared length of the known rows' vectors, of a sample at least, and of the known items'."""
