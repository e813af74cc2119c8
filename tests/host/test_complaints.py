"""Settings that RecBole would find out late, or never."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.errors import ConfigError
from ckd_plugins.host.settings import build_config, find_dataset

ROWS = [(u, i, t) for u in "abc" for t, i in enumerate("pqrst")]
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
    ],
)
def test_the_metric_of_validation_must_be_one_of_them(build: Build, given: dict[str, Any], says: str | None) -> None:
    """RecBole's KeyError came at the first validation, after teachers and an epoch."""
    if says is None:
        assert build(**given)["valid_metric"] == given["valid_metric"]
        return
    with pytest.raises(ConfigError, match=says):
        build(**given)


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
