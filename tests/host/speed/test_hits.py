"""What is collected of a batch of scores is what RecBole's collector collects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ckd_plugins.host.speed.hits import BestCollector, asks_for_the_best_only, hits

ALL = ["Recall", "MRR", "NDCG", "Hit", "Precision", "MAP", "ItemCoverage", "AveragePopularity", "ShannonEntropy"]
MORE = ["GiniIndex", "TailPercentage"]


def collector(prepare: Callable[..., Any], metrics: list[str]) -> Any:
    from recbole.evaluator import Collector

    run = prepare("BPR", metrics=metrics, valid_metric="Recall@1", topk=[1, 4])
    made = Collector(run.config)
    made.data_collect(run.splits.train)
    return made


@pytest.mark.parametrize("metrics", [ALL + MORE, ["Recall"], ["ItemCoverage"]])
def test_the_same_is_collected(prepare: Callable[..., Any], metrics: list[str]) -> None:
    """Rows with several positives, one twice, and one outside of the best k; scores with ties and with -inf."""
    from recbole.evaluator import Evaluator

    torch.manual_seed(0)
    stock, ours = (collector(prepare, ["Recall", *metrics]) for _ in range(2))
    quick = BestCollector(ours)
    for rows in (5, 1, 3):
        scores = torch.randint(0, 6, (rows, 30)).float()
        scores[:, :3] = -torch.inf
        u = torch.cat([torch.arange(rows), torch.arange(rows), torch.zeros(2, dtype=torch.long)])
        i = torch.cat([torch.randint(0, 30, (2 * rows,)), torch.tensor([7, 7])])
        for one in (stock, quick):
            one.eval_batch_collect(scores.clone(), None, u, i)
    expected, found = stock.data_struct, quick.get_data_struct()  # RecBole's own get_data_struct fails on numbers
    assert set(expected._data_dict) == set(found._data_dict)
    for name, value in expected._data_dict.items():
        if name.startswith("rec."):
            assert value.dtype == found[name].dtype
            assert torch.equal(value, found[name]), name
        else:
            assert value == found[name]
    evaluator = Evaluator(ours.config)
    assert evaluator.evaluate(found) == evaluator.evaluate(expected)
    assert not [name for name in ours.data_struct._data_dict if name.startswith("rec.")], "the next test starts empty"


def test_a_row_without_positives_has_no_hits() -> None:
    """A search among no numbers has no place to look at."""
    none = torch.empty(0, dtype=torch.long)
    assert hits(torch.tensor([[1, 2], [3, 4]]), none, none, 5).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert hits(torch.tensor([[1, 2], [3, 4]]), torch.tensor([0]), torch.tensor([2]), 5).tolist() == [
        [0, 1, 1],
        [0] * 3,
    ]


@pytest.mark.parametrize(
    ("metrics", "expected"), [(ALL + MORE, True), (["Recall"], True), (["Recall", "GAUC"], False), (["AUC"], False)]
)
def test_metrics_of_all_scores_are_recboles_matter(
    prepare: Callable[..., Any], metrics: list[str], expected: bool
) -> None:
    """AUC from the best k would be another number."""
    from recbole.evaluator import Collector

    config = {**prepare("BPR").config.final_config_dict, "metrics": metrics}
    assert asks_for_the_best_only(Collector(config)) == expected
