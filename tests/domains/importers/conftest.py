"""RecBole's splits of an import, and where published data lie: beside the checkout, not in it.

Tests of published data are collected where these are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.host.data import load_splits
from ckd_plugins.host.settings import build_config, find_dataset

DATA = Path(__file__).parents[4] / "shared" / "data"
collect_ignore = [] if DATA.is_dir() else ["test_published.py"]

Rows = dict[str, list[tuple[str, tuple[str, ...], str]]]
LEAVE_ONE_OUT = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}


def read_rows(folder: Path, scratch: Path, length: int = 50) -> Rows:
    """(user, history, target) of each row of RecBole's three splits, by token."""
    settings: dict[str, Any] = {
        "eval_args": LEAVE_ONE_OUT,
        "MAX_ITEM_LIST_LENGTH": length,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "train_neg_sample_args": None,
        "topk": [1],
        "valid_metric": "Recall@1",
        "gpu_id": "",
    }
    splits = load_splits(build_config("SASRec", find_dataset(folder), settings, scratch))
    found = {}
    for part in ("train", "valid", "test"):
        data = getattr(splits, part)._dataset
        rows = data.inter_feat
        lists, lengths = rows["item_id_list"].tolist(), rows["item_length"].tolist()
        found[part] = [
            (
                str(data.id2token("user_id", user)),
                tuple(str(data.id2token("item_id", i)) for i in history[:n]),
                str(data.id2token("item_id", target)),
            )
            for user, history, n, target in zip(
                rows["user_id"].tolist(), lists, lengths, rows["item_id"].tolist(), strict=True
            )
        ]
    return found


@pytest.fixture
def recbole_rows(tmp_path: Path) -> Callable[[Path], Rows]:
    """Gives RecBole's rows of a dataset folder, histories of 50 at most."""
    return lambda folder: read_rows(folder, tmp_path / "runs")
