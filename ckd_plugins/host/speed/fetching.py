"""Row numbers handed to RecBole's loaders a batch at a time.

The data set of RecBole's loaders is ``list(range(n))``: as many Python numbers as rows, which torch reads one by one to
find that the row of number 7 is 7, a tenth of an epoch of BPR on MovieLens-100K once rows and negatives are taken by
arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["RowBatches", "RowNumbers", "fetch_whole_batches"]


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


class RowBatches(BatchSampler):
    """Cuts torch's own orders into tensors of row numbers; any other sampler's, number by number, into lists.

    A shuffled order is the one that ``RandomSampler`` draws from its generator, which is left as that leaves it.
    """

    def __iter__(self) -> Iterator[Any]:
        sampler: Any = self.sampler
        shuffled = type(sampler) is RandomSampler and not sampler.replacement and sampler._num_samples is None
        if self.drop_last or not (type(sampler) is SequentialSampler or (shuffled and sampler.generator is not None)):
            yield from super().__iter__()
            return
        n = len(sampler.data_source)
        order = torch.randperm(n, generator=sampler.generator) if shuffled else torch.arange(n)
        for begin in range(0, n, self.batch_size):
            yield order[begin : begin + self.batch_size]
        if shuffled:
            torch.randperm(n, generator=sampler.generator)  # torch's, of which it takes the remainder: none


def fetch_whole_batches(loader: Any) -> None:
    """Let a RecBole loader, and a knowledge graph's inside it, take a batch's row numbers as they are."""
    for inner in (getattr(loader, "general_dataloader", loader), getattr(loader, "kg_dataloader", loader)):
        numbers = vars(inner).get("dataset")
        if isinstance(numbers, list) and hasattr(inner.sampler, "data_source"):
            # torch refuses the assignment, as a sampler of the old data would stay; it is replaced as well
            vars(inner)["dataset"] = inner.sampler.data_source = RowNumbers(len(numbers))
            stock = inner.batch_sampler
            vars(inner)["batch_sampler"] = RowBatches(stock.sampler, stock.batch_size, stock.drop_last)
