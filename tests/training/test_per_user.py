"""Ranks by user are the run's own, and say whose they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd_plugins.errors import ConfigError, DataError
from ckd_plugins.training.per_user import PerUser, read_per_user, write_per_user

Run = Callable[..., dict[str, Any]]


def of(result: dict[str, Any], split: str = "test") -> PerUser:
    return read_per_user(Path(result["ckd"]["run_dir"]) / result["ckd"]["per_user"][split])


@pytest.mark.parametrize("ranking", [True, False])
@pytest.mark.parametrize("model", ["SASRec", "LightGCN", "DeepFM"])
def test_the_mean_over_users_is_the_runs_metric(run: Run, model: str, ranking: bool) -> None:
    """Another selection of the best, a row lost at a batch's edge, or the last epoch's ranks for the best one's."""
    metrics = {"metrics": ["Recall", "NDCG", "MRR"], "topk": [3, 10], "metric_decimal_place": 8}
    chosen = {"per_user": True, "speed": {"ranking": ranking}}
    result = run(model, ckd=chosen, epochs=3, learning_rate=0.01, **metrics)
    for split, wanted in (("valid", result["best_valid_result"]), ("test", result["test_result"])):
        found = of(result, split)
        assert len(found.users) == 150
        means = {name: found.values(name).mean() for name in wanted}
        assert means == pytest.approx(wanted, abs=1e-7)
        assert 0 < wanted["recall@10"] < 1


def test_users_with_several_held_out_items(run: Run) -> None:
    """Each user's metric divided by the wrong number of items."""
    shares = {"split": {"RS": [0.5, 0.2, 0.3]}, "order": "TO", "mode": "full", "group_by": "user"}
    metrics = {"metrics": ["Recall", "NDCG", "MRR", "Hit", "Precision"], "topk": [2, 10], "metric_decimal_place": 8}
    result = run("LightGCN", ckd={"per_user": True}, eval_args=shares, learning_rate=0.01, **metrics)
    found = of(result)
    assert len(found.user) > 2 * len(found.users)
    assert {name: found.values(name).mean() for name in result["test_result"]} == pytest.approx(
        result["test_result"], abs=1e-7
    )


def test_targets_and_histories_are_those_of_the_data(run: Run, shop: Path) -> None:
    """Ids in the place of tokens, or a neighbour's history: slices would be of other users and items."""
    by_user: dict[str, list[str]] = {}
    for line in (shop / "shop.inter").read_text().splitlines()[1:]:
        user, item, _ = line.split("\t")
        by_user.setdefault(user, []).append(item)
    train = [item for items in by_user.values() for item in items[:-2]]
    for model in ("SASRec", "LightGCN"):
        found = of(run(model, ckd={"per_user": True}, epochs=1))
        assert dict(zip(found.user, found.item, strict=True)) == {user: items[-1] for user, items in by_user.items()}
        assert found.history.tolist() == [len(by_user[user]) - 2 for user in found.user]
        assert found.popularity.tolist() == [train.count(item) for item in found.item]


def test_nothing_is_kept_unless_asked_for(run: Run) -> None:
    """A file a run that nobody reads, and ranks of sampled items that look like those of the catalogue."""
    plain = run(epochs=1)
    assert plain["ckd"]["per_user"] == {}
    assert not list(Path(plain["ckd"]["run_dir"]).glob("per_user*"))
    sampled = {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user"}
    mixed = run(
        "LightGCN",
        ckd={"per_user": True},
        epochs=1,
        eval_args={**sampled, "mode": {"valid": "uni20", "test": "full"}},
    )
    assert list(mixed["ckd"]["per_user"]) == ["test"]


def some() -> PerUser:
    ints = (np.array(column, np.int32) for column in ([1, 0, 4], [5, 5, 2], [9, 0, 3]))
    return PerUser(np.array(["a", "a", "b"]), np.array(["x", "y", "x"]), *ints, k=5)


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    """A column that is lost or swapped on the way."""
    write_per_user(tmp_path / "one.npz", some())
    found = read_per_user(tmp_path / "one.npz")
    for name, column in vars(some()).items():
        np.testing.assert_array_equal(getattr(found, name), column)
    assert found.where(found.popularity > 0).users.tolist() == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"text"])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    """A traceback out of numpy says nothing of the run that is meant."""
    (tmp_path / "one.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"one\.npz holds no ranks by user"):
        read_per_user(tmp_path / "one.npz")


@pytest.mark.parametrize("metric", ["ndcg@6", "ndcg", "auc@5", "recall@0"])
def test_a_metric_that_cannot_be_made(metric: str) -> None:
    """Ranks are kept to k: recall@6 of the best 5 would be recall@5 under another name."""
    with pytest.raises(ConfigError, match="take recall, ndcg, mrr, hit, precision at 1 to 5"):
        some().values(metric)


def test_metrics_by_hand() -> None:
    """RecBole's definitions: the ideal ranking of a user with two items has both in front."""
    assert some().values("recall@3").tolist() == [0.5, 0.0]
    assert some().values("mrr@5").tolist() == [1.0, 0.25]
    assert some().values("ndcg@5") == pytest.approx([1 / (1 + 1 / np.log2(3)), 1 / np.log2(5)])
