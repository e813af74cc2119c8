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
    """``write_dataset("shop", [(user, item, time), ...], item=[header, line, ...])``: a folder of atomic files."""

    def make(
        name: str,
        rows: list[tuple[Any, ...]],
        header: str = "user_id:token\titem_id:token\ttimestamp:float",
        **beside: list[str],
    ) -> Path:
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        lines = [header, *("\t".join(map(str, row)) for row in rows)]
        (folder / f"{name}.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for ending, texts in beside.items():
            (folder / f"{name}.{ending}").write_text("\n".join(texts) + "\n", encoding="utf-8")
        return folder

    return make


@pytest.fixture
def toys(write_dataset: Callable[..., Path]) -> Path:
    """30 users, each with 6 of 20 toys in an order that is not the file's; features of all kinds on both sides."""
    rows = [(f"u{u}", f"i{(u * 7 + 3 * t) % 20}", (5 * t + u) % 6 + 10) for u in range(30) for t in range(6)]
    kinds = [
        f"i{i}\tThe one toy number {i}\tToys {i % 3}, Board Games\t{('red', 'blue', '')[i % 3]}\t{i * 1.5}\t0.{i} 1"
        for i in range(20)
    ]
    people = [f"u{u}\t{u % 4}\t{150 + u}\tz{u}" for u in range(30)]
    return write_dataset(
        "toys",
        rows,
        item=[
            "item_id:token\ttitle:token_seq\tcategories:token_seq\tcolour:token\tprice:float\tvector:float_seq",
            *kinds,
        ],
        user=["user_id:token\tage:token\theight:float\tzip:token", *people],
    )
