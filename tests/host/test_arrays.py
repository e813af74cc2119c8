"""A faster loader yields what RecBole's yields."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.config import Speed
from ckd_plugins.host.arrays import _Rows, accelerate
from ckd_plugins.host.data import load_splits
from ckd_plugins.host.settings import build_config, find_dataset

CASES: list[tuple[str, dict[str, Any]]] = [
    ("BPR", {}),
    ("BPR", {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 3}}),
    ("BPR", {"train_neg_sample_args": {"distribution": "popularity", "sample_num": 1, "alpha": 1.0}}),
    ("NeuMF", {}),
    ("SASRec", {"train_neg_sample_args": None}),
    ("MultiVAE", {}),
]


def epoch(name: str, settings: dict[str, Any], folder: Path, arrays: bool) -> list[dict[str, torch.Tensor]]:
    given = {"user_inter_num_interval": "[20,30]", "MAX_ITEM_LIST_LENGTH": 10, "train_batch_size": 256, **settings}
    config = build_config(name, find_dataset("ml-100k"), given, folder)
    splits = load_splits(config, Speed(arrays=arrays))
    return [dict(batch.interaction) for _ in range(2) for batch in splits.train]


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_batches_are_the_same_bit_for_bit(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """A speed-up that draws other negatives, or in another order, is another training."""
    stock, fast = (epoch(name, settings, tmp_path, arrays) for arrays in (False, True))
    assert len(stock) == len(fast) >= 2
    for expected, found in zip(stock, fast, strict=True):
        assert list(expected) == list(found)
        assert all(torch.equal(expected[key], found[key]) and expected[key].dtype == found[key].dtype for key in found)


INDICES: list[Callable[[], Any]] = [
    lambda: "a",
    lambda: [2, 0, -1],
    lambda: np.array([1, 1, 2]),
    lambda: torch.tensor([2, 1]),
    lambda: slice(1, 3),
    lambda: np.array([True, False, True]),
    lambda: torch.tensor([False, True, True]),
    list,
]


@pytest.mark.parametrize("index", INDICES)
def test_rows_are_taken_as_by_recbole(index: Callable[[], Any]) -> None:
    """An index of another kind that is read as row numbers: a mask would give rows 0 and 1."""
    from recbole.data.interaction import Interaction

    columns = {"a": torch.arange(3), "b": torch.arange(6.0).view(3, 2)}
    expected, found = Interaction(columns)[index()], _Rows(columns)[index()]
    if isinstance(expected, torch.Tensor):
        assert torch.equal(expected, found)
    else:
        assert isinstance(found, Interaction)
        assert not isinstance(found, _Rows)
        assert all(torch.equal(expected[key], found[key]) for key in columns)


def test_an_unknown_user_is_told_in_recboles_words(tmp_path: Path) -> None:
    """Negatives for a user that does not exist, drawn without a word."""
    config = build_config("BPR", find_dataset("ml-100k"), {"user_inter_num_interval": "[20,30]"}, tmp_path)
    splits = load_splits(config, Speed(arrays=False))
    accelerate(splits.train)
    with pytest.raises(ValueError, match=r"user_id .* not exist"):
        splits.train._sampler.sample_by_user_ids(np.array([10**6]), np.array([1]), 1)


@pytest.mark.parametrize("times", [1, 3])
def test_taken_rows_are_repeated_as_by_recbole(times: int) -> None:
    """What a loader writes into its batch, as negatives beside the rows, must not reach the data set."""
    from recbole.data.interaction import Interaction

    table = {"user": torch.arange(5), "past": torch.arange(10).view(5, 2)}
    taken = _Rows(dict(table))[torch.tensor([3, 1])]
    again = taken.repeat(times)
    expected = Interaction({name: column[[3, 1]] for name, column in table.items()}).repeat(times)
    assert all(torch.equal(again[name], expected[name]) for name in table)
    again.update(Interaction({"neg_item": torch.zeros(2 * times)}))
    again["user"][:] = 7
    assert list(taken.interaction) == list(table)
    assert torch.equal(table["user"], torch.arange(5))
