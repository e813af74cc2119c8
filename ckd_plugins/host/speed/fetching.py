"""Row numbers handed to RecBole's loaders a batch at a time.

The data set of RecBole's loaders is ``list(range(n))``: as many Python numbers as rows, which torch reads one by one to
find that the row of number 7 is 7, a tenth of an epoch of BPR on MovieLens-100K once rows and negatives are taken by
arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["RowNumbers", "fetch_whole_batches"]


class RowNumbers(Sequence[int]):
    """The numbers below ``n``, by torch's protocol for data sets that can give several at once."""

    def __init__(self, n: int) -> None:
        self._numbers = range(n)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: Any) -> Any:
        return self._numbers[index]

    def __getitems__(self, indices: list[int]) -> list[int]:
        return indices


def fetch_whole_batches(loader: Any) -> None:
    """Let a RecBole loader, and a knowledge graph's inside it, take a batch's row numbers as they are."""
    for inner in (getattr(loader, "general_dataloader", loader), getattr(loader, "kg_dataloader", loader)):
        numbers = vars(inner).get("dataset")
        if isinstance(numbers, list) and hasattr(inner.sampler, "data_source"):
            # torch refuses the assignment, as a sampler of the old data would stay; it is replaced as well
            vars(inner)["dataset"] = inner.sampler.data_source = RowNumbers(len(numbers))
