"""The slice on which models are surveyed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.needs import needs
from ckd_plugins.host.settings import DatasetPath, build_config, find_dataset
from ckd_plugins.training.sample import sample_dataset, sample_settings


def load(name: str, dataset: DatasetPath, folder: Path) -> Splits:
    return load_splits(build_config(name, dataset, sample_settings(name, needs(name)), folder))


def rows(splits: Splits) -> list[tuple[Any, ...]]:
    dataset = splits.dataset
    columns = [dataset.id2token(field, dataset.inter_feat[field].numpy()) for field in ("user_id", "item_id")]
    return sorted(zip(*columns, dataset.inter_feat["timestamp"].tolist(), strict=True))


def test_the_slice_is_what_recbole_leaves_over(tmp_path: Path) -> None:
    """Models that are surveyed on other data than the settings say."""
    whole, slice_ = find_dataset("ml-100k"), sample_dataset(tmp_path, needs("BPR"))
    expected, found = (load("BPR", dataset, tmp_path / str(at)) for at, dataset in enumerate((whole, slice_)))
    assert len(rows(expected)) > 1000
    assert rows(found) == rows(expected)
    for feature in (type(expected.dataset).get_item_feature, type(expected.dataset).get_user_feature):
        assert len(feature(found.dataset)) == len(feature(expected.dataset))


@pytest.mark.parametrize("name", ["KGAT", "GRU4RecKG"])
def test_the_graph_is_around_the_items(name: str, tmp_path: Path) -> None:
    """Models of knowledge graphs that are surveyed without one, or entities without the vectors that are asked for."""
    sample_dataset(tmp_path, needs("BPR"))  # one folder serves all
    dataset = load(name, sample_dataset(tmp_path, needs(name)), tmp_path / "files").dataset
    assert dataset.entity_num > dataset.item_num
    assert len(dataset.kg_feat) > 1000
    if name == "GRU4RecKG":
        assert dataset.get_preload_weight("ent_id").shape == (dataset.entity_num, 64)
