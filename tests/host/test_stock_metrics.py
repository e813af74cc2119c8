"""The host layer against stock RecBole in its legacy environment; ``data/stock_metrics.json`` says how recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.config import Speed
from ckd_plugins.host.data import load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.models import build_model
from ckd_plugins.host.randomness import random_states_kept
from ckd_plugins.host.settings import build_config, find_dataset
from ckd_plugins.host.speed.model import speed_up
from ckd_plugins.host.trainer import build_trainer

STOCK: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "stock_metrics.json").read_text())["models"]

LABELS = {"threshold": {"rating": 4}}
"""What stock RecBole makes labels of on ml-100k, unasked; here models that read features rank by default."""


EXACT = Speed(layers=False, dropout=False)
"""Speed-ups of a model that leave the random numbers of training as they are."""


@pytest.mark.parametrize("name", STOCK)
def test_metrics_equal_stock_recbole_to_four_decimals(name: str, tmp_path: Path) -> None:
    """A shim, a seed, a default or a speed-up that differs from stock RecBole shifts the metrics of the same seed."""
    expected = STOCK[name]
    settings = {**expected["config_dict"], **(LABELS if name in ("FM", "DeepFM") else {})}
    with recbole_log(tmp_path):
        config = build_config(name, find_dataset("ml-100k"), settings, tmp_path)
        splits = load_splits(config)
        model = build_model(config, splits)
        with random_states_kept():
            speed_up(model, splits.train, config, EXACT)
        trainer = build_trainer(config, model, tmp_path, [])
        score, valid = trainer.fit(splits.train, splits.valid, saved=True, show_progress=False)
        test = trainer.evaluate(splits.test, load_best_model=True, show_progress=False)
    found = {"best_valid_score": score, **{f"valid {k}": v for k, v in valid.items()}, **test}
    wanted = {
        "best_valid_score": expected["best_valid_score"],
        **{f"valid {k}": v for k, v in expected["best_valid_result"].items()},
        **expected["test_result"],
    }
    assert {k: round(float(v), 4) for k, v in found.items()} == wanted
