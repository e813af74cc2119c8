from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins.errors import DataError
from ckd_plugins.host.data import ROW_FIELD, load_splits
from ckd_plugins.host.settings import build_config, find_dataset

ROWS = [(u, i, t) for u in "abc" for t, i in enumerate("pqrst")]


@pytest.mark.parametrize("model", ["SASRec", "BPR", "DeepFM"])
def test_every_batch_carries_row_ids(prepare: Callable[..., Any], model: str) -> None:
    """Without a row id in the batch a teacher could not be asked what it knows of the row."""
    run = prepare(model)
    features = run.splits.train_dataset.inter_feat
    seen = []
    for batch in run.splits.train:
        rows = batch[ROW_FIELD]
        positive = batch["label"] > 0 if "label" in batch else slice(None)
        assert torch.equal(batch["item_id"][positive], features["item_id"][rows][positive])
        seen.append(rows)
    assert torch.cat(seen).unique().tolist() == list(range(len(features)))


def test_row_ids_are_no_features(prepare: Callable[..., Any]) -> None:
    """A feature-interaction model that embedded the row number would learn the training set by heart."""
    run = prepare("DeepFM")
    assert ROW_FIELD not in run.splits.train_dataset.field2type
    assert not [name for name in run.model.token_field_names + run.model.float_field_names if name == ROW_FIELD]


@pytest.mark.parametrize("model", ["LightGBM", "XGBoost"])
def test_a_tree_gets_no_row_ids(model: str, tmp_path: Path) -> None:
    """A tree takes every column for a feature; the valid split has one less, which LightGBM refuses."""
    settings = {"threshold": {"rating": 4}, "user_inter_num_interval": "[60,80]"}
    splits = load_splits(build_config(model, find_dataset("ml-100k"), settings, tmp_path))
    assert ROW_FIELD not in splits.train_dataset.inter_feat
    assert splits.train_dataset.inter_feat.columns == splits.valid._dataset.inter_feat.columns


def test_nothing_left_after_filtering_is_said(prepare: Callable[..., Any], write_dataset: Callable[..., Path]) -> None:
    """RecBole fails later, with an empty tensor."""
    folder = write_dataset("shop", ROWS)
    with pytest.raises(DataError, match=r"dataset 'shop' .*is empty.*filters: user_inter_num_interval"):
        prepare("BPR", folder, user_inter_num_interval="[99,inf)")


def test_too_short_histories_for_the_split_are_said(
    prepare: Callable[..., Any], write_dataset: Callable[..., Path]
) -> None:
    """Leave-one-out on users with a single interaction leaves an empty validation split."""
    folder = write_dataset("shop", [("a", "p", 1), ("b", "q", 1)])
    split = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}
    with pytest.raises(DataError, match=r"dataset 'shop'.*(valid|test|train) split is empty|cannot be split"):
        prepare("BPR", folder, user_inter_num_interval="[0,inf)", eval_args=split, topk=[1], valid_metric="MRR@1")


def test_a_catalogue_smaller_than_topk_is_said(prepare: Callable[..., Any], write_dataset: Callable[..., Path]) -> None:
    """RecBole trains, and fails at the first validation."""
    folder = write_dataset("shop", ROWS)
    with pytest.raises(DataError, match="topk asks for 10 of 5 items; set topk lower"):
        prepare("BPR", folder, user_inter_num_interval="[0,inf)")


def test_errors_are_one_line(prepare: Callable[..., Any], write_dataset: Callable[..., Path]) -> None:
    """RecBole's messages hold whole tensors."""
    folder = write_dataset("shop", ROWS)
    with pytest.raises(DataError) as caught:
        prepare(
            "FM",
            folder,
            user_inter_num_interval="[0,inf)",
            load_col={"inter": ["user_id", "item_id"]},
            eval_args={"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
            metrics=["NDCG"],
            valid_metric="NDCG@10",
            train_neg_sample_args={"distribution": "uniform", "sample_num": 1},
        )
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
