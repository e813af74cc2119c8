from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd_plugins.domains import Domain
from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.settings import build_config
from ckd_plugins.teachers.recbole_data import write_dataset


@pytest.fixture
def uneven(domain: Domain) -> Domain:
    """A domain in which every third user has no validation target, and an item that nobody chose."""
    valid = domain.valid.copy()
    valid[::3] = -1
    return replace(domain, items=(*domain.items, "alone"), text=(*domain.text, None), valid=valid)


def loaded(domain: Domain, model: str, kind: str, folder: Path) -> tuple[Splits, Any]:
    dataset, settings = write_dataset(domain, folder / "data", kind, 0)
    with recbole_log(folder):
        config = build_config(model, dataset, {**settings, "gpu_id": "", "MAX_ITEM_LIST_LENGTH": 50}, folder)
        return load_splits(config), config


def pairs(dataset: Any, whole: Any, only: Any = slice(None)) -> list[tuple[int, int]]:
    users = whole.id2token("user_id", dataset.inter_feat["user_id"].numpy()).astype(int)
    items = whole.id2token("item_id", dataset.inter_feat["item_id"].numpy()).astype(int)
    return sorted(zip(users[only].tolist(), items[only].tolist(), strict=True))


def wanted(domain: Domain, *, first: bool = True) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    train = [
        (u, int(i))
        for u in range(domain.n_users)
        for i in domain.sequence[domain.offsets[u] + (not first) : domain.offsets[u + 1]]
    ]
    return sorted(train), [(u, int(i)) for u, i in enumerate(domain.valid) if i >= 0]


@pytest.mark.parametrize(("model", "kind"), [("BPR", "GENERAL"), ("FM", "CONTEXT"), ("SASRec", "SEQUENTIAL")])
def test_recbole_trains_on_exactly_the_domain(uneven: Domain, tmp_path: Path, model: str, kind: str) -> None:
    """Leaving the last out would hide a training interaction of each user without a validation target."""
    splits, _ = loaded(uneven, model, kind, tmp_path)
    train, valid = wanted(uneven, first=kind != "SEQUENTIAL")
    assert pairs(splits.train_dataset, splits.dataset) == train
    assert pairs(splits.valid._dataset, splits.dataset) == valid
    assert splits.dataset.item_num == uneven.n_items + 1


def test_prefixes_are_in_the_order_of_the_sequence(uneven: Domain, tmp_path: Path) -> None:
    """A sequential teacher trained on shuffled histories."""
    splits, _ = loaded(uneven, "SASRec", "SEQUENTIAL", tmp_path)
    feature = splits.valid._dataset.inter_feat
    users = splits.dataset.id2token("user_id", feature["user_id"].numpy()).astype(int)
    for row, user in enumerate(users):
        history = feature["item_id_list"][row][: int(feature["item_length"][row])].numpy()
        found = splits.dataset.id2token("item_id", history).astype(int)
        np.testing.assert_array_equal(found, uneven.sequence[uneven.offsets[user] : uneven.offsets[user + 1]])


def test_a_tree_gets_labels_and_no_time(uneven: Domain, tmp_path: Path) -> None:
    """Without negatives every label is 1; with the time, a tree could tell training from validation."""
    splits, _ = loaded(uneven, "LightGBM", "DECISIONTREE", tmp_path)
    feature = splits.train_dataset.inter_feat
    assert {"user_id", "item_id", "label"} <= set(feature.interaction)
    assert "timestamp" not in feature.interaction
    chosen = feature["label"].numpy() == 1
    train, valid = wanted(uneven)
    assert pairs(splits.train_dataset, splits.dataset, chosen) == train
    drawn = pairs(splits.train_dataset, splits.dataset, ~chosen)
    assert len(drawn) == len(train)
    assert not set(drawn) & {*train, *valid}
