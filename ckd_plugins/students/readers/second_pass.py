"""The reader that is always right: the model's own ranking once more, under grad."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ckd_plugins.host.state import forked_rng, frozen_statistics, without_caches
from ckd_plugins.students.families import full_sort_is_own
from ckd_plugins.students.readers.base import Catalogue, Link, Reader, gather, invert, select, size

__all__ = ["SecondPass"]


class SecondPass(Reader):
    """Calls ``full_sort_predict`` under grad: a second forward pass, with its own dropout mask.

    For models whose loss never computes what they rank by (BERT4Rec: masked positions; diffusion models).

    Args:
        model: the model instance.
        link: how the predictions follow from raw scores; undone here.
    """

    name = "second pass"
    passes = 2

    def __init__(self, model: Any, link: Link = "identity") -> None:
        super().__init__(model)
        self.link = link

    @classmethod
    def offered(cls, model: nn.Module, catalogue: Catalogue, link: Link) -> Iterator[SecondPass]:
        """Yield a reader when the model ranks by a method of its own."""
        if full_sort_is_own(model):
            yield cls(model, link)

    def scores(self, interaction: Any, positions: slice | Tensor, candidates: Tensor) -> Tensor:
        """Rank the rows over all items, and gather."""
        model = self.model
        with without_caches(model), forked_rng(model), frozen_statistics(model):
            full = model.full_sort_predict(select(interaction, positions))
        return invert(gather(full.reshape(size(positions), -1), candidates), self.link)
