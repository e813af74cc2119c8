"""What teachers are shown: enough to tell one run's data from another's, and never a test target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd_plugins.training.material import Material

from .conftest import N_ITEMS, N_USERS

Prepare = Callable[..., Any]
HASHES = ("data_hash", "split_hash", "text_hash")


def hashes(material: Material) -> dict[str, str]:
    return {name: getattr(material, name) for name in HASHES}


def sequences(shop: Path) -> dict[str, list[str]]:
    """Every user's items by time, straight from the file."""
    rows = [line.split("\t") for line in (shop / "shop.inter").read_text().splitlines()[1:]]
    found: dict[str, list[str]] = {}
    for user, item, _ in sorted(rows, key=lambda row: (row[0], float(row[2]))):
        found.setdefault(user, []).append(item)
    return found


def rewrite(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *change(rows)]) + "\n")


def replaced(user: str, position: int) -> Callable[[list[str]], list[str]]:
    """Another item at a position of a user's sequence; negative ones count from its end."""

    def change(rows: list[str]) -> list[str]:
        own = sorted((r for r in rows if r.startswith(f"{user}\t")), key=lambda r: float(r.split("\t")[2]))
        _, item, time = own[position].split("\t")
        other = "shop31" if item != "shop31" else "shop32"
        return [f"{user}\t{other}\t{time}" if r == own[position] else r for r in rows]

    return change


@pytest.mark.parametrize("model", ["BPR", "LightGCN", "MultiVAE", "DeepFM"])
def test_every_family_sees_the_same_data(prepare: Prepare, model: str) -> None:
    """Families number and cut rows in their own ways; each would train its own teachers for the same split."""
    settings = {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}} if model == "DeepFM" else {}
    assert hashes(prepare(model, **settings).material) == hashes(prepare("SASRec").material)


def test_the_order_of_rows_says_nothing(prepare: Prepare, shop: Path) -> None:
    """RecBole numbers tokens as it meets them: an export in another order must find the teachers that are there."""
    before = prepare("BPR").material
    rng = np.random.default_rng(1)
    for name in ("shop.inter", "shop.item"):
        rewrite(shop / name, lambda rows: [rows[i] for i in rng.permutation(len(rows))])
    after = prepare("BPR").material
    assert after.domain.items != before.domain.items
    assert hashes(after) == hashes(before)


@pytest.mark.parametrize(
    ("position", "changed"), [(0, {"data_hash"}), (-2, {"split_hash"}), (-1, set())], ids=["train", "valid", "test"]
)
def test_hashes_follow_what_a_teacher_sees(prepare: Prepare, shop: Path, position: int, changed: set[str]) -> None:
    """One that misses a change reuses a stale teacher; one that sees a test target has looked at it."""
    before = hashes(prepare("SASRec").material)
    rewrite(shop / "shop.inter", replaced("u7", position))
    after = hashes(prepare("SASRec").material)
    assert {name for name in HASHES if after[name] != before[name]} == changed


def test_a_swap_of_two_interactions_is_other_data(prepare: Prepare, shop: Path) -> None:
    """A digest of a set of interactions would not see it; sequential teachers do."""
    before = hashes(prepare("SASRec").material)
    times = {"1": "2", "2": "1"}

    def swap(rows: list[str]) -> list[str]:
        parts = [row.split("\t") for row in rows]
        return ["\t".join([u, i, times.get(t, t) if u == "u3" else t]) for u, i, t in parts]

    rewrite(shop / "shop.inter", swap)
    assert hashes(prepare("SASRec").material)["data_hash"] != before["data_hash"]


def test_another_text_is_another_text_hash(prepare: Prepare, shop: Path) -> None:
    """Item vectors of old titles would be taken for the new ones."""
    before = hashes(prepare("BPR").material)
    rewrite(shop / "shop.item", lambda rows: [rows[0].replace("number0", "number zero"), *rows[1:]])
    after = hashes(prepare("BPR").material)
    assert {name for name in HASHES if after[name] != before[name]} == {"text_hash"}


def test_the_same_text_in_other_columns_is_another_text_hash(prepare: Prepare, shop: Path) -> None:
    """A teacher that reads attributes by their names reads something else."""
    before = prepare("BPR").material
    attributes = dict(before.domain.attributes)
    assert list(attributes) == ["title", "categories"]
    assert attributes["title"][0] == before.domain.text[0].split(".")[0]
    attributes["headline"] = attributes.pop("title")
    after = replace(before, domain=replace(before.domain, attributes=attributes))
    assert after.text_hash != before.text_hash


def test_families_that_split_short_users_otherwise_do_not_share_teachers(prepare: Prepare, shop: Path) -> None:
    """A shared teacher would have learnt the other family's targets.

    Where a user has two or three interactions, RecBole trains sequential models on what it holds out for the others.
    """
    rewrite(shop / "shop.inter", lambda rows: [*rows, "short\tshop1\t1", "short\tshop2\t2"])
    sequential, general = prepare("SASRec").material, prepare("BPR").material

    def trained(material: Material) -> list[str]:
        domain = material.domain
        user = domain.users.index("short")
        return [domain.items[i] for i in domain.sequence[domain.offsets[user] : domain.offsets[user + 1]]]

    assert trained(sequential) == ["shop1", "shop2"]
    assert trained(general) == ["shop1"]
    assert sequential.data_hash != general.data_hash


@pytest.mark.parametrize("model", ["SASRec", "BPR"])
def test_the_domain_is_the_train_split_and_no_more(prepare: Prepare, shop: Path, model: str) -> None:
    """A teacher that meets a test target in training makes every student look good."""
    material, truth = prepare(model).material, sequences(shop)
    domain = material.domain
    assert (domain.test == -1).all()
    assert set(domain.users) == set(truth)
    for index, user in enumerate(domain.users):
        train = [domain.items[i] for i in domain.sequence[domain.offsets[index] : domain.offsets[index + 1]]]
        assert train == truth[user][:-2]
        assert domain.items[domain.valid[index]] == truth[user][-2]


@pytest.mark.parametrize("model", ["SASRec", "BPR", "MultiVAE"])
def test_a_test_row_is_asked_with_train_and_valid_behind_it(prepare: Prepare, shop: Path, model: str) -> None:
    """Without the validation target a teacher is judged on less than the student; with the test target, on more."""
    material, truth = prepare(model).material, sequences(shop)
    asked = material.evaluation_instances()
    assert len(asked) == material.domain.n_users == N_USERS
    for row, user in enumerate(material.domain.users):
        assert [asked.items[i] for i in asked.history(row)] == truth[user][:-1]


def test_a_user_without_validation_target_is_asked_with_the_train_sequence(prepare: Prepare, shop: Path) -> None:
    """Inserting at -1 would put the last item of the catalogue into the history, and shift every user after."""
    rewrite(shop / "shop.inter", lambda rows: ["a-short\tshop1\t1", "a-short\tshop2\t2", *rows])
    material, truth = prepare("BPR").material, sequences(shop)
    asked = material.evaluation_instances()
    assert (material.domain.valid < 0).sum() == 1
    for row, user in enumerate(material.domain.users):
        assert [asked.items[i] for i in asked.history(row)] == truth[user][:-1]


def test_tables_by_recboles_ids(prepare: Prepare) -> None:
    """An offset of one between our indices and RecBole's ids would teach every item its neighbour's scores."""
    run = prepare("BPR")
    material, dataset = run.material, run.splits.dataset
    ids = dataset.field2id_token["item_id"]
    assert material.tokens == [None, *ids[1:]]
    counts = np.bincount(run.splits.train_dataset.inter_feat["item_id"].numpy(), minlength=N_ITEMS + 1)
    assert material.popularity.tolist() == counts.tolist()
    users = dataset.field2id_token["user_id"]
    assert material.user_row[0] == -1
    assert [material.domain.users[row] for row in material.user_row[1:]] == list(users[1:])


def test_rows_are_recboles_rows(prepare: Prepare) -> None:
    """A batch's row id must stand for the batch's own history and target."""
    run = prepare("SASRec")
    features, at = run.splits.train_dataset.inter_feat, run.material.instances
    for row in range(0, len(features), 37):
        length = int(features["item_length"][row])
        assert (at.history(row) + 1).tolist() == features["item_id_list"][row, :length].tolist()
        assert at.target[row] + 1 == features["item_id"][row]


def test_a_dataset_without_texts_has_none(prepare: Prepare, shop: Path) -> None:
    """An empty string would be encoded like a title."""
    (shop / "shop.item").unlink()
    assert set(prepare("BPR").material.domain.text) == {None}
