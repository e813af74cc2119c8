from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ckd_plugins.host import ranking
from ckd_plugins.host.ranking import full_sort_is_own, pairs_within_memory, rank_by_pairs, rows_within_memory
from ckd_plugins.host.trainer import build_trainer, close_trainer

ALL = {"user_inter_num_interval": "[1,inf)", "embedding_size": 4, "mlp_hidden_size": [8]}


def evaluated(run: Any, stock: bool) -> tuple[Any, dict[str, float], list[int]]:
    """A run's trainer after a test, the metrics, and how many pairs each call of ``predict`` got."""
    calls: list[int] = []
    predict = run.model.predict
    run.model.predict = lambda batch: calls.append(len(batch)) or predict(batch)
    trainer = build_trainer(run.config, run.model, run.folder, [])
    close_trainer(trainer)
    if stock:
        trainer.__class__ = type(trainer).__mro__[2]
    result = trainer.evaluate(run.splits.test, load_best_model=False)
    del run.model.predict
    return trainer, {k: float(v) for k, v in result.items()}, calls


@pytest.mark.parametrize("pairs", [7, 50, 5000])
@pytest.mark.parametrize("model", ["DeepFM", "DIN", "NeuMF"])
def test_metrics_are_stocks(prepare: Callable[..., Any], toys: Path, model: str, pairs: int) -> None:
    """A pair with another row's history, or another item's features, is ranked without a complaint."""
    torch.manual_seed(0)
    run = prepare(model, toys, **ALL, eval_batch_size=pairs, topk=[1, 3, 10], metric_decimal_place=9)
    ours = evaluated(run, stock=False)
    assert ours[1] == evaluated(run, stock=True)[1]
    assert len(set(ours[1].values())) > 4, "metrics without spread show nothing"


@pytest.mark.parametrize("pairs", [1, 7, 50, 5000])
@pytest.mark.parametrize("model", ["DeepFM", "DIN"])
def test_scores_are_stocks(prepare: Callable[..., Any], toys: Path, model: str, pairs: int) -> None:
    """Chunks of several users, and chunks that split one user's catalogue, must meet at their edges."""
    run = prepare(model, toys, **ALL, eval_batch_size=pairs)
    with torch.no_grad():
        trainer = evaluated(run, stock=False)[0]
        with rows_within_memory(run.splits.test):
            batch = next(iter(run.splits.test))
        scores = trainer._full_sort_batch_eval(batch)[1]
        expected = type(trainer).__mro__[2]._full_sort_batch_eval(trainer, batch)[1]
    assert scores.shape == (30, 21)
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-6)


def test_no_call_gets_more_pairs_than_the_bound(prepare: Callable[..., Any], toys: Path) -> None:
    """DIN's attention over 4,096 rows times a catalogue takes gigabytes."""
    run = prepare("DIN", toys, **ALL, eval_batch_size=50)
    calls = evaluated(run, stock=False)[2]
    assert max(calls) == 50
    assert sum(calls) == 30 * 21


def test_wide_rows_make_small_chunks(prepare: Callable[..., Any], toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same number of pairs takes fifty times the memory where each brings a history of fifty items."""
    from recbole.data.interaction import Interaction

    rows = Interaction({"u": torch.arange(2), "item_id": torch.arange(2), "item_id_list": torch.zeros(2, 50)})
    items = Interaction({"item_id": torch.arange(9), "tags": torch.zeros(9, 8), "price": torch.zeros(9, 2)})
    monkeypatch.setitem(ranking._VALUES, "cpu", 620)
    assert pairs_within_memory(rows, items, 4096) == 620 // 62
    assert pairs_within_memory(rows, items, 7) == 7, "eval_batch_size is the user's word"
    monkeypatch.setitem(ranking._VALUES, "cpu", 10)
    assert pairs_within_memory(rows, items, 4096) == 1
    assert max(evaluated(prepare("DIN", toys, **ALL), stock=False)[2]) == 1


def test_a_batch_is_as_large_as_its_scores_may_be(
    prepare: Callable[..., Any], toys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stock takes one user a batch of a large catalogue, and 4,096 rows of it for DIN: too slow, and too large."""
    sampler = prepare("DeepFM", toys, **ALL).splits.test.batch_sampler
    stock = sampler.batch_size
    for limit, rows in ((21 * 4, 4), (21 * 5 - 1, 4), (1, 1)):
        monkeypatch.setattr(ranking, "_SCORES", limit)
        loader = type("Loader", (), {"batch_sampler": sampler, "_dataset": type("Data", (), {"item_num": 21})})
        with rows_within_memory(loader):
            assert sampler.batch_size == rows
        assert sampler.batch_size == stock, "training and RecBole's own evaluation must find what they left"


def test_many_batches_are_one_test(prepare: Callable[..., Any], toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows at the edge of a batch must neither be lost nor be counted twice."""
    torch.manual_seed(0)
    run = prepare("DeepFM", toys, **ALL, metric_decimal_place=9)
    whole = evaluated(run, stock=False)[1]
    monkeypatch.setattr(ranking, "_SCORES", 21 * 4)
    assert evaluated(run, stock=False)[1] == whole


def test_a_models_own_ranking_is_left_alone(prepare: Callable[..., Any], toys: Path) -> None:
    """One product for the whole catalogue is faster than any number of pairs."""
    run = prepare("BPR", toys, user_inter_num_interval="[1,inf)")
    assert full_sort_is_own(run.model)
    assert not full_sort_is_own(prepare("FM", toys, **ALL).model)
    assert evaluated(run, stock=False)[2] == []


def test_scores_keep_the_precision_of_the_predictions() -> None:
    """Under mixed precision a model predicts halves; a single pair comes without a dimension."""
    from recbole.data.interaction import Interaction

    rows, items = (
        Interaction({"u": torch.tensor([1, 2]), "i": torch.tensor([9, 9])}),
        Interaction({"i": torch.arange(3)}),
    )
    model = SimpleNamespace(predict=lambda batch: (10 * batch["u"] + batch["i"]).half().squeeze())
    scores = rank_by_pairs(model, rows, items, 5)
    assert scores.dtype == torch.float16
    assert scores.tolist() == [[10, 11, 12], [20, 21, 22]]
