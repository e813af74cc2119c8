"""Any scorer judged by RecBole's evaluator: same test rows, same masking, same metrics as the students."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ckd_plugins.host.compat import clean_environment
from ckd_plugins.host.data import Splits
from ckd_plugins.host.own_domain import keep_own_domain
from ckd_plugins.host.ranking import rows_within_memory
from ckd_plugins.host.ranks import RankRecorder
from ckd_plugins.host.speed.hits import BestCollector, asks_for_the_best_only
from ckd_plugins.host.speed.users import users_by_arrays

__all__ = ["evaluate_scores"]


def evaluate_scores(
    config: Any,
    splits: Splits,
    scores: Callable[[NDArray[np.int64]], torch.Tensor],
    split: Literal["valid", "test"] = "test",
    recorder: RankRecorder | None = None,
) -> dict[str, float] | None:
    """Rank the catalogue by a scorer for every row of the test split, or of the validation split.

    Args:
        config: the run's RecBole config.
        splits: its data.
        scores: from user ids ``[B]`` to scores ``[B, n_items]`` over RecBole's item ids; a row whose user the scorer
            does not know is all ``-inf`` and counts as a miss.
        split: which rows.
        recorder: is shown each batch.

    Returns:
        The config's metrics, or ``None`` where the config asks for labelled or sampled evaluation.
    """
    from recbole.data.dataloader import FullSortEvalDataLoader
    from recbole.evaluator import Collector, Evaluator

    loader = splits.test if split == "test" else splits.valid
    if not isinstance(loader, FullSortEvalDataLoader):
        return None
    with clean_environment():
        collector, evaluator = Collector(config), Evaluator(config)
    collector.data_collect(splits.train)
    user_field = config["USER_ID_FIELD"]
    domains = None if splits.item_domain is None else torch.from_numpy(splits.item_domain)
    with ExitStack() as stack:
        if asks_for_the_best_only(collector):
            collector = BestCollector(collector)
            stack.enter_context(users_by_arrays(loader))
            most = loader.batch_sampler.batch_size if loader.is_sequential else None
            stack.enter_context(rows_within_memory(loader, most=most))
        for interaction, history, positive_u, positive_i in loader:
            batch = scores(interaction[user_field].numpy()).to(torch.float32).clone()
            _miss_unknown(batch, positive_u, positive_i)
            batch[:, 0] = -np.inf
            if history is not None:
                batch[history] = -np.inf
            if domains is not None:
                keep_own_domain(batch, positive_u, positive_i, domains)
            if recorder is not None:
                recorder.take(interaction[user_field], batch, positive_u, positive_i)
            collector.eval_batch_collect(batch, interaction, positive_u, positive_i)
    result: dict[str, float] = evaluator.evaluate(collector.get_data_struct())
    return {name: float(value) for name, value in result.items()}


def _miss_unknown(batch: torch.Tensor, positive_u: torch.Tensor, positive_i: torch.Tensor) -> None:
    """Put the targets of rows that are all ``-inf`` last: among equal scores ``topk`` prefers low item ids."""
    unknown = torch.isneginf(batch).all(dim=1)
    batch[unknown] = 0.0
    lost = unknown[positive_u]
    batch[positive_u[lost], positive_i[lost]] = -torch.inf
