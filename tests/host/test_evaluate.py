from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.host.evaluate import evaluate_scores
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.trainer import build_trainer

from .conftest import BY_TIME


@pytest.mark.parametrize("model", ["BPR", "LightGCN"])
def test_a_models_own_scores_get_its_own_metrics(prepare: Callable[..., Any], model: str) -> None:
    """Teachers judged by another protocol than students cannot be compared with them."""
    run = prepare(model, eval_args=BY_TIME, epochs=2)
    with recbole_log(run.folder):
        trainer = build_trainer(run.config, run.model, run.folder, [])
        trainer.fit(run.splits.train, run.splits.valid)
        expected = trainer.evaluate(run.splits.test)
    n_items = run.splits.dataset.item_num

    def scores(users: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            flat = run.model.full_sort_predict({"user_id": torch.from_numpy(users)})
        return flat.view(len(users), n_items)

    found = evaluate_scores(run.config, run.splits, scores)
    assert found == {k: float(v) for k, v in expected.items()}


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
def test_users_that_a_scorer_does_not_know_are_misses(prepare: Callable[..., Any], model: str) -> None:
    """Ranked by a tie, the items with the lowest ids come first, which are often the popular ones."""
    run = prepare(model, eval_args=BY_TIME)
    found = evaluate_scores(
        run.config, run.splits, lambda users: torch.full((len(users), run.splits.dataset.item_num), -torch.inf)
    )
    assert found is not None
    assert set(found.values()) == {0.0}


def test_labelled_evaluation_has_no_ranking(prepare: Callable[..., Any]) -> None:
    """AUC needs labels that a ranking teacher was never asked for."""
    run = prepare("FM", threshold={"rating": 4})
    assert evaluate_scores(run.config, run.splits, lambda users: torch.zeros(len(users), 1)) is None
