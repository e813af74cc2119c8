"""Settings that RecBole would find out late, or never."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recbole.evaluator.register import metrics_dict

from ckd_plugins.errors import ConfigError
from ckd_plugins.host.complaints import check_metrics
from ckd_plugins.host.settings import build_config, find_dataset

ROWS = [(u, i, t) for u in "abc" for t, i in enumerate("pqrst")]
LABELED = {"eval_args": {"split": {"RS": [8, 1, 1]}, "order": "RO", "mode": "labeled"}}
Build = Callable[..., Any]


@pytest.fixture
def build(write_dataset: Callable[..., Path], tmp_path: Path) -> Build:
    """``build("BPR", seed=3)``."""
    data = find_dataset(write_dataset("shop", ROWS))
    return lambda model="BPR", **given: build_config(model, data, {"gpu_id": "", **given}, tmp_path / "run")


@pytest.mark.parametrize(("name", "value"), [("nproc", 2), ("world_size", 4), ("local_rank", 0)])
def test_several_processes_are_refused(build: Build, name: str, value: int) -> None:
    """Each would draw all rows, and what is trained beside the model would differ from process to process."""
    with pytest.raises(ConfigError, match=f"{name} is {value}: a run is of one process here"):
        build(**{name: value})
    assert build(nproc=1, world_size=-1)["seed"] == 2020


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"topk": [5], "valid_metric": "NDCG@10"}, "valid_metric is NDCG@10, and topk is 5; add 10 to it"),
        ({"topk": 5, "valid_metric": "NDCG@10"}, "valid_metric is NDCG@10, and topk is 5; add 10 to it"),
        ({"metrics": ["Recall"], "valid_metric": "NDCG@10"}, "metrics are recall; add ndcg to them"),
        ({"metrics": "Recall", "valid_metric": "MRR@10"}, "metrics are recall; add mrr to them"),
        ({"topk": [5, 20], "valid_metric": "Recall@20"}, None),
        ({"topk": [5, 20], "valid_metric": "NDCG"}, "valid_metric is NDCG, which needs a cutoff; set .* to NDCG@5"),
        ({"valid_metric": "NDCG@"}, "valid_metric is NDCG@, and topk is 10"),
        ({"metrics": ["GAUC", "Recall"], "valid_metric": "GAUC"}, None),
        ({"metrics": ["GAUC"], "valid_metric": "GAUC@10"}, "GAUC takes no cutoff; set valid_metric to GAUC"),
        ({"metrics": ["ItemCoverage"], "valid_metric": "itemcoverage"}, "set valid_metric to itemcoverage@10"),
        ({"metrics": ["AUC"], "valid_metric": "AUC", **LABELED}, None),
        ({"metrics": ["AUC"], "valid_metric": "AUC@10", **LABELED}, "AUC takes no cutoff; set valid_metric to AUC"),
    ],
)
def test_the_metric_of_validation_must_be_one_of_them(build: Build, given: dict[str, Any], says: str | None) -> None:
    """RecBole's KeyError came at the first validation, after teachers and an epoch."""
    config = build(**given)  # what trains nothing does not read it
    if says is None:
        check_metrics(config)
        return
    with pytest.raises(ConfigError, match=says):
        check_metrics(config)


def test_which_metrics_have_no_cutoff() -> None:
    """The attribute that tells them is RecBole's own affair, and may go with its next version."""
    config = {"topk": [10], "metric_decimal_place": 4, "tail_ratio": 0.1}
    known = {name for name, metric in metrics_dict.items() if not hasattr(metric(config), "topk")}
    assert known == {"gauc", "auc", "mae", "rmse", "logloss"}


@pytest.mark.parametrize(
    ("model", "given", "meant"),
    [
        ("BPR", {"lerning_rate": 0.1}, "learning_rate"),
        ("SASRec", {"n_layer": 2}, "n_layers"),
        ("LightGCN", {"reg_wieght": 0.1}, "reg_weight"),
        ("BPR", {"learning_rate": 0.1, "my_own_setting": 3, "user_inter_num_interval": "[1,inf)"}, None),
    ],
)
def test_a_misspelt_setting_is_said(
    build: Build, caplog: pytest.LogCaptureFixture, model: str, given: dict[str, Any], meant: str | None
) -> None:
    """The default was trained, and the misspelt one written down as what had been."""
    with caplog.at_level(logging.WARNING, "ckd_plugins"):
        build(model, **given)
    said = [record.getMessage() for record in caplog.records if record.name == "ckd_plugins"]
    if meant is None:
        assert said == []
    else:
        (line,) = said
        assert line.startswith(
            f"setting {next(iter(given))!r} is none of RecBole's or of {model}; did you mean {meant!r}?"
        )
