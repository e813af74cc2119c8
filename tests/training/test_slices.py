from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ckd_plugins.errors import DataError
from ckd_plugins.training.per_user import PerUser
from ckd_plugins.training.slices import slices

from .conftest import write_shop


def test_slices_are_means_over_their_own_users():
    """A mean over all users of a slice's hits would shrink with the slice."""
    found = PerUser(
        user=np.array(["a/1", "a/2", "a/3", "b/1"]),
        item=np.array(["a/x", "a/y", "a/z", "b/x"]),
        rank=np.array([1, 0, 2, 0], np.int32),
        history=np.array([5, 6, 9, 2], np.int32),
        popularity=np.array([4, 0, 0, 7], np.int32),
        k=10,
    )
    told = slices(found, ["recall@10", "ndcg@10", "itemcoverage@10"], ["b", "a", "empty"])
    assert list(told["domains"]) == ["b", "a"]
    second = 1 / np.log2(3)
    assert told["all"] == pytest.approx({"users": 4, "recall@10": 0.5, "ndcg@10": (1 + second) / 4})
    assert told["domains"]["a"] == pytest.approx({"users": 3, "recall@10": 2 / 3, "ndcg@10": (1 + second) / 3})
    assert told["domains"]["b"] == {"users": 1, "recall@10": 0.0, "ndcg@10": 0.0}
    assert told["macro"] == pytest.approx({"recall@10": 1 / 3, "ndcg@10": (1 + second) / 6})
    assert told["cold_items"] == pytest.approx({"users": 2, "recall@10": 0.5, "ndcg@10": second / 2})
    assert told["short_histories"] == pytest.approx({"users": 2, "recall@10": 0.5, "ndcg@10": 0.5})
    assert set(slices(found.where(found.popularity > 3), ["mrr@5"])) == {
        "all",
        "short_histories",
    }


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [write_shop(tmp_path / "two", "shop"), write_shop(tmp_path / "two", "stall", seed=1, users=60)]


@pytest.mark.parametrize("model", ["SASRec", "LightGCN", "FM"])
def test_domains_weighted_by_their_users_are_the_whole(run, two, model):
    """Whatever ranks the model, the parts must be parts of the result that is reported."""
    more = {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}} if model != "SASRec" else {}
    result = run(model, dataset=two, epochs=1, **more)
    told = result["ckd"]["slices"]
    users = {name: part["users"] for name, part in told["domains"].items()}
    assert users == {"shop": 150, "stall": 60}
    for metric, whole in result["test_result"].items():
        mean = sum(part[metric] * users[name] for name, part in told["domains"].items()) / 210
        assert mean == pytest.approx(whole, abs=1e-4)
        assert told["macro"][metric] == pytest.approx(np.mean([p[metric] for p in told["domains"].values()]))


def test_ranking_within_the_domain_is_easier_than_among_all(run, two):
    """The setting must reach student and teacher; both are ranked by one protocol."""
    own, everything = (
        run("SASRec", ["unisrec"], dataset=two, epochs=1, ckd={"domains": {"rank": rank}}) for rank in ("own", "all")
    )
    assert own["ckd"]["protocol"] == "all items of the domain"
    assert everything["ckd"]["protocol"] == "all items"
    assert own["test_result"]["recall@10"] > everything["test_result"]["recall@10"]
    teachers = [r["ckd"]["teachers"]["unisrec"] for r in (own, everything)]
    assert teachers[0]["test_result"]["recall@10"] >= teachers[1]["test_result"]["recall@10"]
    assert teachers[0]["slices"]["domains"]["stall"]["users"] == 60


def test_one_domain_has_slices_of_users_and_items(run):
    """Cold items and short histories are no matter of merging."""
    told = run("SASRec", epochs=1)["ckd"]["slices"]
    assert "domains" not in told
    assert 0 < told["short_histories"]["users"] < 150


def test_a_small_domain_is_refused_before_training(run, two, tmp_path):
    """Found after an hour, it would cost an hour."""
    with pytest.raises(DataError, match="topk asks for 70 of its 60 items"):
        run("SASRec", dataset=two, topk=[70], valid_metric="NDCG@70")
    assert not (tmp_path / "runs").exists()
