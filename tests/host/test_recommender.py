from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ckd_plugins.errors import ConfigError
from ckd_plugins.host.recommender import Recommender, model_kind, reads_user
from ckd_plugins.host.settings import find_dataset

from .conftest import BY_TIME, SMALL

SETTINGS = {**SMALL, "eval_args": BY_TIME, "hidden_size": 16, "embedding_size": 16, "train_batch_size": 512}


def trained(model: str, folder: Path) -> Recommender:
    return Recommender.train(model, find_dataset("ml-100k"), SETTINGS, folder, [])


@pytest.mark.parametrize("model", ["BPR", "NeuMF"])
def test_users_are_scored_in_the_order_asked(model: str, tmp_path: Path) -> None:
    """A model without full ranking scores pairs, which come back as one long row."""
    made = trained(model, tmp_path)
    users = np.array([3, 1, 2])
    found = made.for_users(users)
    assert found.shape == (3, len(made.items))
    assert torch.isneginf(found[:, 0]).all()
    for row, user in enumerate(users):
        torch.testing.assert_close(found[row], made.for_users(np.array([user]))[0])
    assert not torch.equal(found[0], found[1])


def test_a_model_made_anew_answers_like_the_trained_one(tmp_path: Path) -> None:
    """A cached teacher would answer from fresh weights."""
    made = trained("GRU4Rec", tmp_path / "one")
    again = Recommender.rebuild("GRU4Rec", find_dataset("ml-100k"), SETTINGS, tmp_path / "two", made.weights)
    items = np.array([[5, 7, 2, 0, 0, 0, 0, 0, 0, 0], [1] * 10])
    asked = (items, np.array([3, 10]), np.array([1, 0]))
    assert list(made.items) == list(again.items)
    torch.testing.assert_close(made.for_histories(*asked), again.for_histories(*asked), rtol=0, atol=0)


def test_a_size_counts_what_a_closed_form_keeps(tmp_path: Path) -> None:
    """EASE has one parameter for RecBole's sake, and a dense matrix of items."""
    made = trained("EASE", tmp_path)
    assert made.size > len(made.items) ** 2


def test_models_that_look_at_the_user_are_told_by_their_code() -> None:
    """Two users with one history would share an answer that is one's own."""
    assert [reads_user(m) for m in ("FPMC", "HGN", "GRU4Rec", "SASRec")] == [True, True, False, False]
    assert model_kind("EASE") == "TRADITIONAL"


def test_a_metric_that_is_not_computed_is_told_before_training(tmp_path: Path) -> None:
    """RecBole's KeyError came after the first epoch."""
    given = {**SETTINGS, "valid_metric": "NDCG"}
    with pytest.raises(ConfigError, match="valid_metric is NDCG, which needs a cutoff"):
        Recommender.train("BPR", find_dataset("ml-100k"), given, tmp_path, [])
