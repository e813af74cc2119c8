from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ckd_plugins.host.protocol import asks_for_values, protocol, reads_features
from ckd_plugins.host.zoo import model_class, model_names, recbole_folder

COLUMNS = ("user_id", "item_id", "timestamp")


def test_every_model_whose_default_is_no_ranking_is_known() -> None:
    """A family that stock RecBole judges by AUC cannot stand in one table with the others."""
    folder = Path(recbole_folder(), "properties", "quick_start_config")
    ranked = {
        name
        for name in model_names()
        if protocol(model_class(name).type.name, name, {}, COLUMNS).get("eval_args", {}).get("mode") == "full"
    }
    assert {"FM", "DeepFM", "DIN", "DIEN"} <= ranked
    assert not {"SASRec", "LightGCN", "CKE"} & ranked
    for name in model_names():
        kind = model_class(name).type.name
        own = {"CONTEXT": "context-aware", "SEQUENTIAL": "sequential_DIN" if name in ("DIN", "DIEN") else "sequential"}
        stock = yaml.safe_load((folder / f"{own[kind]}.yaml").read_text()) if kind in own else {}
        if stock.get("valid_metric", "MRR@10") == "AUC":
            assert name in ranked
            assert reads_features(kind, name)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, False),
        ({"metrics": ["NDCG", "Hit"], "valid_metric": "NDCG@20"}, False),
        ({"metrics": "GAUC"}, False),
        ({"metrics": "auc"}, True),
        ({"valid_metric": "RMSE"}, True),
        ({"eval_args": {"mode": {"valid": "full", "test": "labeled"}}}, True),
        ({"eval_args": {"mode": "uni100"}}, False),
        ({"metrics": ["Nope"], "eval_args": None}, False),
    ],
)
def test_values_are_told_from_rankings(given: dict[str, Any], asked: bool) -> None:
    """RecBole refuses to mix both, with a message about metrics that the user may never have named."""
    assert asks_for_values(given) == asked


def test_defaults_are_made_anew() -> None:
    """RecBole writes into the settings that it gets."""
    first = protocol("CONTEXT", "FM", {}, COLUMNS)
    first["eval_args"]["mode"] = "labeled"
    assert protocol("CONTEXT", "FM", {}, COLUMNS)["eval_args"]["mode"] == "full"
