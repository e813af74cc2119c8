"""Results as a table on the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from ckd_plugins.cli.results import print_results

SIX = {"recall@10": 0.2, "mrr@10": 0.1, "ndcg@10": 0.15, "hit@10": 0.2, "precision@10": 0.02}


def result(
    model: str, metrics: Mapping[str, float], teachers: Mapping[str, Any] | None = None, reused: bool = False
) -> dict[str, Any]:
    about = {
        "model": model,
        "protocol": "all items",
        "teachers": {
            name: {
                "test_result": score,
                "seconds": {} if reused else {"finetune": 61.0},
                "reused": reused,
                "parameters": 0,
            }
            for name, score in (teachers or {}).items()
        },
        "seconds": {"fit": 2.345},
        "epochs": 3,
        "parameters": 1234567,
    }
    return {"test_result": dict(metrics), "ckd": about}


def printed(capsys: pytest.CaptureFixture[str], *results: dict[str, Any], **options: Any) -> list[list[str]]:
    print_results(results, **options)
    return [re.split(r" {2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]


def test_the_first_four_metrics_and_the_gain_in_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    """RecBole computes a dozen; a table wider than the screen is read by nobody."""
    better = {name: 1.1 * value for name, value in SIX.items()}
    heads, teacher, plain, taught = printed(capsys, result("BPR", SIX), result("BPR", better, {"unisrec": None}))
    assert heads == ["model", "recall@10", "mrr@10", "ndcg@10", "hit@10", "gain in hit@10", "train", "parameters"]
    assert teacher[:2] == ["teacher", "unisrec"]
    assert plain == ["plain", "BPR", "0.2000", "0.1000", "0.1500", "0.2000", "2.3 s", "1,234,567"]
    assert taught[:2] == ["distilled", "BPR"]
    assert taught[6] == "+10.0%"


def test_the_gain_is_in_the_metric_of_validation(capsys: pytest.CaptureFixture[str]) -> None:
    """The best epoch was chosen by it; another one may fall while it rises."""
    valid = {"best_valid_score": 0.3, "valid_score_bigger": True, "best_valid_result": {"mrr@10": 0.3, "hit@10": 0.4}}
    better = {name: 1.1 * value for name, value in SIX.items()}
    heads = printed(capsys, result("BPR", SIX), result("BPR", better, {"unisrec": None}) | valid)[0]
    assert "gain in mrr@10" in heads


def test_a_loss_that_grows_is_no_gain(capsys: pytest.CaptureFixture[str]) -> None:
    """Less is better: +20% would be praise for the worse run."""
    rows = printed(capsys, result("FM", {"logloss": 0.5}), result("FM", {"logloss": 0.6}, {"unisrec": None}))
    assert rows[3][:4] == ["distilled", "FM", "0.6000", "-20.0%"]


@pytest.mark.parametrize("teachers", [{}, {"unisrec": None}], ids=["plain", "distilled"])
def test_runs_of_one_kind_have_no_gain(capsys: pytest.CaptureFixture[str], teachers: dict[str, None]) -> None:
    """An empty column asks what should be in it."""
    assert printed(capsys, result("BPR", SIX, teachers))[0][-3:] == ["hit@10", "train", "parameters"]


def test_named_metrics_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The demo wants two, whatever the run computed."""
    heads = printed(capsys, result("BPR", SIX), metrics=("recall@10", "ndcg@10"))[0]
    assert heads == ["model", "recall@10", "ndcg@10", "train", "parameters"]


def test_a_gain_stands_in_the_distilled_row_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside a teacher or a plain run it would be read as theirs."""
    score = {"ndcg@10": 0.2}
    rows = printed(capsys, result("BPR", {"ndcg@10": 0.1}), result("BPR", {"ndcg@10": 0.09}, {"unisrec": score}))
    assert rows[1:] == [
        ["teacher", "unisrec", "0.2000", "61.0 s"],
        ["plain", "BPR", "0.1000", "2.3 s", "1,234,567"],
        ["distilled", "BPR", "0.0900", "-10.0%", "2.3 s", "1,234,567"],
    ]


def test_a_teacher_without_ranking_or_training(capsys: pytest.CaptureFixture[str]) -> None:
    """0.0000 and 0.0 s would be measurements."""
    rows = printed(capsys, result("FM", {"auc": 0.7}, {"unisrec": None}, reused=True))
    assert rows[1] == ["teacher", "unisrec", "-", "reused"]


def test_merged_domains_get_a_second_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A mean over all users hides the smaller domain; data of one domain need no such table."""
    merged = result("BPR", SIX)
    merged["ckd"]["slices"] = {
        "domains": {"tea": {"users": 9, "hit@10": 0.5}, "lamps": {"users": 1, "hit@10": 0.25}},
        "macro": {"hit@10": 0.375},
    }
    lines = printed(capsys, merged)
    assert lines[3] == ["hit@10 by slice (users)"]
    assert lines[4:] == [
        ["model", "mean of domains", "tea (9)", "lamps (1)"],
        ["plain", "BPR", "0.3750", "0.5000", "0.2500"],
    ]
    single = result("BPR", SIX)
    single["ckd"]["slices"] = {"cold_items": {"users": 9, "hit@10": 0.5}}
    assert len(printed(capsys, single)) == 2
