"""A full ranking by a RecBole trainer as fast as its scores can be had; the metrics are RecBole's own.

For a catalogue of 4,096 items or more RecBole takes one user at a time, and for a sequential model 4,096 rows whatever
the catalogue. Here a batch has as many rows as fit a bound of memory. A row's scores may differ in the last bit with
the number of rows in a batch, as products of matrices are cut into blocks by their shape; ranks differ only where two
scores are that close.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ckd_plugins.host.randomness import random_states_kept
from ckd_plugins.host.ranking import full_sort_is_own, rows_within_memory
from ckd_plugins.host.speed.hits import BestCollector, asks_for_the_best_only
from ckd_plugins.host.speed.users import users_by_arrays

__all__ = ["quick_ranking", "values_a_row"]


@contextlib.contextmanager
def quick_ranking(trainer: Any, loader: Any) -> Iterator[None]:
    """Let a trainer's next evaluation on a full-sort loader be quick.

    Where a metric is made of all scores (AUC, GAUC) RecBole's evaluation stands as it is. So it does for several
    processes: their metrics are averaged with the number of batches as weights.
    """
    collector = trainer.eval_collector
    if not asks_for_the_best_only(collector) or not trainer.config["single_spec"]:
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(users_by_arrays(loader))
        width = values_a_row(trainer.model, loader) if full_sort_is_own(trainer.model) else None
        if width is not None:
            # Of sequences eval_batch_size counts rows, of users RecBole takes it to count scores.
            most = loader.batch_sampler.batch_size if loader.is_sequential else None
            stack.enter_context(rows_within_memory(loader, width, most))
        trainer.eval_collector = BestCollector(collector)
        try:
            yield
        finally:
            trainer.eval_collector = collector


@torch.no_grad()
def values_a_row(model: Any, loader: Any) -> int | None:
    """Size of the largest tensor, in values a row, that a model makes when it ranks the catalogue.

    Most make a score for each item; KGCN and ENMF make vectors for each pair of row and item. It is found out by
    ranking two rows and four: what is larger with four grows with the rows, the rest (a graph's embeddings) does not.

    Returns:
        The size, or ``None`` where the model does not compute all rows at once (FISM and NAIS take them one by one).
    """
    found: list[list[int]] = []
    total = len(loader.user_df) if not loader.is_sequential else len(loader._dataset)
    if total < 4:
        return None
    model.eval()
    kept = dict(vars(model))
    with random_states_kept():
        few, more = (loader.collate_fn(list(range(rows)))[0].to(model.device) for rows in (2, 4))
        model.full_sort_predict(few)  # fills what a model keeps between batches
        for rows in (few, more):
            with _Sizes() as seen:
                model.full_sort_predict(rows)
            found.append(seen.sizes)
    vars(model).update(kept)  # whoever loads other weights now must not find what these gave
    if len(found[0]) != len(found[1]):
        return None
    width: int = max(((four - two) // 2 for two, four in zip(*found, strict=True)), default=0)
    return max(width, int(loader._dataset.item_num))


class _Sizes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes how many values each tensor has that is made within it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.sizes += [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        return out
