"""Results as rows of one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ckd_plugins.study.rows import bigger_is_better, comparison, gain_metric, gains

Result = Callable[..., dict[str, Any]]
TWO = {"unisrec": 0.2, "vqrec": 0.3}


def test_teachers_come_once_and_first(result: Result) -> None:
    """Three students of the same two teachers would fill the table with six equal lines."""
    rows = comparison([result("SASRec"), result("SASRec", 0.12, TWO), result("GRU4Rec", 0.1, TWO, reused=True)])
    assert [(row.kind, row.name) for row in rows] == [
        ("teacher", "unisrec"),
        ("teacher", "vqrec"),
        ("plain", "SASRec"),
        ("distilled", "SASRec"),
        ("distilled", "GRU4Rec"),
    ]


@pytest.mark.parametrize("first_reused", [True, False])
def test_a_teachers_cost_is_that_of_the_run_that_trained_it(result: Result, first_reused: bool) -> None:
    """The table would call a teacher free because the last student found it in the cache."""
    runs = [result("SASRec", 0.1, TWO, reused=first_reused), result("GRU4Rec", 0.1, TWO, reused=not first_reused)]
    teacher = comparison(runs)[0]
    assert (teacher.seconds, teacher.reused) == (21.5, False)


def test_a_teacher_that_nobody_trained_is_reused(result: Result) -> None:
    """0.0 s would read as a measurement."""
    teacher = comparison([result("SASRec", 0.1, TWO, reused=True)])[0]
    assert (teacher.seconds, teacher.reused) == (0, True)


def test_a_teacher_is_shown_once_a_protocol(result: Result) -> None:
    """Its two results, over all and over unseen items, do not compare: one would stand beside the wrong students."""
    runs = [result("SASRec", 0.1, TWO), result("BPR", 0.1, {"unisrec": 0.5}, protocol="unseen items")]
    teachers = {row.name: row.metrics for row in comparison(runs) if row.kind == "teacher"}
    assert list(teachers) == ["unisrec (all items)", "vqrec (all items)", "unisrec (unseen items)"]
    assert teachers["unisrec (all items)"] == {"recall@10": 0.4, "ndcg@10": 0.2}
    assert teachers["unisrec (unseen items)"] == {"recall@10": 1.0, "ndcg@10": 0.5}


def test_a_students_row_has_its_own_numbers(result: Result) -> None:
    """Seconds of training, not of the whole run; parameters of the student alone."""
    (row,) = comparison([result("SASRec", 0.1, epochs=7)])
    assert (row.seconds, row.parameters, row.epochs, row.reused) == (12.34, 123456, 7, False)
    assert row.metrics == {"recall@10": 0.2, "ndcg@10": 0.1}


def test_gain_is_relative_to_the_same_models_plain_run(result: Result) -> None:
    """The first plain run of the table, or the best one, would be another baseline."""
    rows = comparison(
        [result("SASRec", 0.10), result("SASRec", 0.12, TWO), result("BPR", 0.4), result("BPR", 0.3, TWO)]
    )
    assert gains(rows, "ndcg@10") == pytest.approx({"SASRec": 0.2, "BPR": -0.25})


def test_no_baseline_no_gain(result: Result) -> None:
    """Dividing by nothing, by 0 or by another metric."""
    assert gains(comparison([result("SASRec", 0.12, TWO)]), "ndcg@10") == {}
    assert gains(comparison([result("SASRec", 0.0), result("SASRec", 0.12, TWO)]), "ndcg@10") == {}
    assert gains(comparison([result("SASRec", 0.1), result("SASRec", 0.12, TWO)]), "auc") == {}
    assert gains([], "ndcg@10") == {}


def test_a_loss_that_grows_is_no_gain(result: Result) -> None:
    """A log loss of .6 after .5 would stand there as +20%, in green."""
    rows = comparison([result(metrics={"logloss": 0.5}), result(teachers=TWO, metrics={"logloss": 0.6})])
    assert gains(rows, "logloss", bigger=False) == pytest.approx({"SASRec": -0.2})


@pytest.mark.parametrize(
    ("metric", "bigger"),
    [("logloss", False), ("mae", False), ("rmse", False), ("giniindex@10", False), ("auc", True), ("ndcg@10", True)],
)
def test_which_metrics_are_losses(result: Result, metric: str, bigger: bool) -> None:
    """RecBole says it of the metric of validation alone; the others have names."""
    assert bigger_is_better([result(metrics={metric: 0.5})], metric) is bigger


@pytest.mark.parametrize("bigger", [True, False])
def test_a_run_knows_the_direction_of_its_own_metric(result: Result, bigger: bool) -> None:
    """A metric of somebody's own is in no list of ours."""
    run = result() | {
        "best_valid_score": 0.3,
        "valid_score_bigger": bigger,
        "best_valid_result": {"auc": 0.2, "mine": 0.3},
    }
    assert bigger_is_better([run], "mine") is bigger
    assert bigger_is_better([run], "auc") is True


def test_the_gain_is_in_the_metric_of_validation(result: Result) -> None:
    """A model kept for its NDCG was not kept for what happens to stand last."""
    run = result() | {"best_valid_score": 0.3, "best_valid_result": {"recall@10": 0.2, "ndcg@10": 0.3, "hit@10": 0.2}}
    assert gain_metric([run], ["recall@10", "ndcg@10", "hit@10"]) == "ndcg@10"
    assert gain_metric([run], ["recall@10", "hit@10"]) == "hit@10"
    unvalidated = result() | {"best_valid_score": float("-inf"), "best_valid_result": {}}
    assert gain_metric([unvalidated], ["recall@10", "ndcg@10"]) == "ndcg@10"
