from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.host import trees
from ckd_plugins.host.settings import build_config, find_dataset


class Sum:
    """A booster whose prediction names the pair."""

    def predict(self, pairs: np.ndarray) -> np.ndarray:
        return pairs[:, 0] * 100.0 + pairs[:, 1]

    def trees_to_dataframe(self) -> list[int]:
        return [1, 2, 3]


Sum.__module__ = "lightgbm.fake"


def test_every_pair_is_predicted_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that end in the wrong place, or columns the wrong way round, would score other pairs."""
    monkeypatch.setattr(trees, "_PAIRS", 7)
    found = trees.scores(Sum(), np.array([5, 2, 9]), 4)
    assert torch.isneginf(found[:, 0]).all()
    assert found[:, 1:].tolist() == [[501, 502, 503], [201, 202, 203], [901, 902, 903]]


def test_a_booster_is_told_from_a_torch_model() -> None:
    """The two are trained, kept and asked in different ways."""
    assert trees.is_tree(Sum())
    assert not trees.is_tree(torch.nn.Linear(1, 1))
    assert trees.nodes(Sum()) == 3


@pytest.mark.parametrize(
    ("model", "key", "value"), [("LightGBM", "lgb_num_boost_round", 300), ("XGBoost", "xgb_num_boost_round", 100)]
)
def test_recboles_defaults_are_found_where_file_names_have_a_case(
    model: str, key: str, value: int, tmp_path: Any
) -> None:
    """RecBole looks for LightGBM.yaml, has lightgbm.yaml, and hands None to the library."""
    found = find_dataset("ml-100k")
    config = build_config(model, found, {"threshold": {"rating": 4}}, tmp_path)
    assert config[key] == value
    assert build_config(model, found, {"threshold": {"rating": 4}, key: 7}, tmp_path)[key] == 7
