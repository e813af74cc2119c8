"""Readers of scores that are products: the vectors themselves can be had."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor

from ckd_plugins.signals.products import products
from ckd_plugins.students.readers.base import Reader

__all__ = ["VectorReader"]


class VectorReader(Reader):
    """A reader whose scores are inner products of a vector a row and a vector an item.

    A probe that accepts the scores has accepted the vectors with them.
    """

    width: int = 0
    """Length of the vectors, as far as it is known: the first scores show it."""

    @abstractmethod
    def vectors(self, interaction: Any, positions: slice | Tensor) -> tuple[Tensor, Tensor]:
        """Return what :meth:`scores` multiplies, with gradients.

        Args:
            interaction: as in :meth:`scores`.
            positions: as in :meth:`scores`.

        Returns:
            ``[P, d]``, the rows' vectors, and ``[n, d]``, the vectors of items by item id.

        Raises:
            StudentError: the model's loss did not compute them.
        """

    def scores(self, interaction: Any, positions: slice | Tensor, candidates: Tensor) -> Tensor:
        """Inner products ``[P, C]`` of the rows' and the candidates' vectors."""
        rows, items = self.vectors(interaction, positions)
        self.width = rows.shape[1]
        return products(rows, items, candidates)
