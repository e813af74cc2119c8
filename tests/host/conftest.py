"""Small RecBole runs on the MovieLens-100K that its wheel carries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.models import build_model
from ckd_plugins.host.settings import build_config, find_dataset

SMALL = {"user_inter_num_interval": "[20,30]", "MAX_ITEM_LIST_LENGTH": 10, "epochs": 1, "gpu_id": ""}
BY_TIME = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}


@dataclass(frozen=True)
class Prepared:
    config: Any
    splits: Splits
    model: Any
    folder: Path


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Prepared]:
    """``prepare("SASRec", epochs=2)``: config, data and model of a small run."""

    def make(model: str, dataset: str | Path = "ml-100k", **settings: Any) -> Prepared:
        with recbole_log(tmp_path):
            config = build_config(model, find_dataset(dataset), {**SMALL, **settings}, tmp_path)
            splits = load_splits(config)
            return Prepared(config, splits, build_model(config, splits), tmp_path)

    return make


@pytest.fixture
def write_dataset(tmp_path: Path) -> Callable[..., Path]:
    """``write_dataset("shop", inter=[(user, item, time), ...])``: a folder of atomic files."""

    def make(
        name: str, rows: list[tuple[Any, ...]], header: str = "user_id:token\titem_id:token\ttimestamp:float"
    ) -> Path:
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        lines = [header, *("\t".join(map(str, row)) for row in rows)]
        (folder / f"{name}.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder

    return make
