"""Quick rankings give RecBole's metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins.config import Speed
from ckd_plugins.host import ranking
from ckd_plugins.host.data import load_splits
from ckd_plugins.host.speed.ranking import values_a_row
from ckd_plugins.host.speed.users import users_by_arrays
from ckd_plugins.host.trainer import build_trainer, close_trainer

BEST = ["Recall", "MRR", "NDCG", "MAP", "Precision", "ShannonEntropy"]
SEVERAL = {"split": {"RS": [0.6, 0.2, 0.2]}, "order": "RO", "mode": "full", "group_by": "user"}
"""Users with several positives in the test."""


def evaluated(run: Any, quick: bool) -> tuple[dict[str, float], int]:
    """The test's metrics to nine decimals, and in how many batches."""
    batches: list[int] = []
    trainer = build_trainer(run.config, run.model, run.folder, [], ranking=quick)
    close_trainer(trainer)
    trainer.eval_collector.data_collect(run.splits.train)
    rank = trainer._full_sort_batch_eval
    trainer._full_sort_batch_eval = lambda batch: batches.append(len(batch[0])) or rank(batch)
    result = trainer.evaluate(run.splits.test, load_best_model=False)
    return {k: float(v) for k, v in result.items()}, len(batches)


def set_up(prepare: Callable[..., Any], name: str, **settings: Any) -> Any:
    given: dict[str, Any] = {"metrics": BEST, "valid_metric": "MRR@5", "topk": [5, 20], "metric_decimal_place": 9}
    return prepare(name, **{**given, **settings})


@pytest.mark.parametrize("scores", [1 << 20, 5000])
@pytest.mark.parametrize("name", ["BPR", "LightGCN", "MultiVAE", "EASE", "ItemKNN", "DMF", "FISM", "ENMF", "DeepFM"])
def test_metrics_are_recboles(
    prepare: Callable[..., Any], name: str, scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows at the edge of a batch that are lost or counted twice, another user's history, a positive that is missed."""
    monkeypatch.setattr(ranking, "_SCORES", scores)
    torch.manual_seed(0)
    eval_args = {} if name == "DeepFM" else {"eval_args": SEVERAL}
    run = set_up(prepare, name, **eval_args)
    for parameter in run.model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    stock, ours = evaluated(run, False), evaluated(run, True)
    assert ours[0] == pytest.approx(stock[0], abs=1e-9)
    assert len(set(ours[0].values())) > 8, "metrics without spread show nothing"


@pytest.mark.parametrize("scores", [1 << 20, 5000])
@pytest.mark.parametrize("name", ["SASRec", "GRU4Rec", "TransRec"])
def test_sequential_metrics_are_recboles(
    prepare: Callable[..., Any], name: str, scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound of memory that cuts rows off, or gives more than the user's eval_batch_size."""
    monkeypatch.setattr(ranking, "_SCORES", scores)
    run = set_up(prepare, name)
    stock, ours = evaluated(run, False), evaluated(run, True)
    assert ours[0] == pytest.approx(stock[0], abs=1e-9)
    assert stock[1] <= ours[1]
    assert scores > 5000 or ours[1] > 1


def test_users_come_many_at_a_time(prepare: Callable[..., Any]) -> None:
    """RecBole's default is one user a batch for large catalogues."""
    run = set_up(prepare, "BPR", eval_batch_size=1)
    stock, ours = evaluated(run, False), evaluated(run, True)
    assert stock[1] == len(run.splits.test.user_df)
    assert ours == (pytest.approx(stock[0], abs=1e-9), 1)


@pytest.mark.parametrize("metrics", [["GAUC"], ["Recall", "GAUC"]])
def test_metrics_of_all_scores_stand_as_they_are(prepare: Callable[..., Any], metrics: list[str]) -> None:
    """They need the rank of every positive."""
    run = set_up(prepare, "BPR", metrics=metrics, valid_metric="GAUC")
    assert evaluated(run, True) == evaluated(run, False)


def test_batches_are_recboles(prepare: Callable[..., Any]) -> None:
    """A user without history between two that have one shifts all histories after."""
    loader = load_splits(prepare("BPR", eval_args=SEVERAL).config, Speed(dataset=False)).test
    users = loader.uid_list[[3, 4]]
    loader.uid2history_item[int(users[0])] = torch.empty(0, dtype=torch.long)
    index = [2, 3, 4, 0]
    user, (hu, hi), pu, pi = loader.collate_fn(index)
    stock = loader.collate_fn
    with users_by_arrays(loader):
        found = loader.collate_fn(index)
        assert loader.collate_fn is not stock
    assert loader.collate_fn == stock
    assert torch.equal(found[0]["user_id"], user["user_id"])
    for ours, theirs in zip([*found[1], *found[2:]], [hu, hi, pu, pi], strict=True):
        assert torch.equal(ours, theirs)


def test_lists_are_put_together_once(prepare: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader is ranked after every epoch, and its users' items never change."""
    loader = prepare("BPR").splits.test
    with users_by_arrays(loader):
        first = loader.collate_fn([0, 1])
    monkeypatch.setattr(loader, "uid2history_item", None)
    with users_by_arrays(loader):
        again = loader.collate_fn([0, 1])
    for a, b in zip([*first[1], *first[2:]], [*again[1], *again[2:]], strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("name", "wide"), [("BPR", False), ("LightGCN", False), ("ENMF", True), ("FISM", None)])
def test_width_is_of_what_grows_with_the_rows(prepare: Callable[..., Any], name: str, wide: bool | None) -> None:
    """KGCN's pairs of a thousand rows take gigabytes; a graph's embeddings are the same for one row and for many."""
    run = prepare(name)
    before = dict(vars(run.model))
    width = values_a_row(run.model, run.splits.test)
    n_items = run.splits.dataset.item_num
    assert width == {None: None, False: n_items, True: n_items * run.config["embedding_size"]}[wide]
    after = vars(run.model)
    assert all(after[k] is v for k, v in before.items() if k.startswith("restore_")), "weights may be loaded after it"


def test_metrics_of_the_items_work(prepare: Callable[..., Any]) -> None:
    """RecBole's collector calls ``.cpu()`` on the number of items, so that these metrics fail as it has them."""
    metrics = ["Recall", "ItemCoverage", "GiniIndex", "AveragePopularity", "TailPercentage"]
    run = set_up(prepare, "BPR", metrics=metrics, valid_metric="Recall@5")
    found = evaluated(run, True)[0]
    assert 0 < found["itemcoverage@5"] < found["itemcoverage@20"] <= 1
    assert 0 < found["giniindex@20"] < 1
    with pytest.raises(AttributeError):
        evaluated(run, False)


def test_an_error_leaves_trainer_and_loader_as_they_were(prepare: Callable[..., Any]) -> None:
    """An interrupted test in a notebook must not spoil the next."""
    run = prepare("BPR")
    trainer = build_trainer(run.config, run.model, run.folder, [])
    close_trainer(trainer)
    loader = run.splits.test
    before = trainer.eval_collector, loader.collate_fn, loader.batch_sampler.batch_size
    trainer._full_sort_batch_eval = lambda batch: batch["nothing of that name"]
    with pytest.raises(TypeError):
        trainer.evaluate(loader, load_best_model=False)
    assert (trainer.eval_collector, loader.collate_fn, loader.batch_sampler.batch_size) == before


def test_the_setting_leaves_recboles_evaluation(prepare: Callable[..., Any], tmp_path: Path) -> None:
    """A doubt about a number is settled by a run without speed-ups."""
    run = prepare("BPR", eval_batch_size=1)
    assert evaluated(run, False)[1] == len(run.splits.test.user_df)
