from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd_plugins.host.rows import held_out_pairs, item_tokens, training_rows, validation_targets

from .conftest import BY_TIME


def histories(run: Any) -> list[tuple[list[int], int]]:
    rows = training_rows(run.splits, run.config)
    return [(rows.flat[a:b].tolist(), int(t)) for a, b, t in zip(rows.start, rows.stop, rows.target, strict=True)]


def test_sequential_rows_have_the_history_that_the_student_sees(prepare: Callable[..., Any]) -> None:
    """A teacher asked about another history than the student's teaches noise."""
    run = prepare("SASRec")
    features = run.splits.train_dataset.inter_feat
    cap = run.config["MAX_ITEM_LIST_LENGTH"]
    for row, (history, target) in enumerate(histories(run)):
        length = int(features["item_length"][row])
        assert history[-cap:] == features["item_id_list"][row][:length].tolist()
        assert target == int(features["item_id"][row])


def test_rows_of_a_random_split_keep_their_own_history(prepare: Callable[..., Any]) -> None:
    """Where rows are missing in between, histories are no slices of the train sequence."""
    run = prepare(
        "SASRec", eval_args={"split": {"RS": [0.5, 0.2, 0.3]}, "order": "TO", "mode": "full", "group_by": "none"}
    )
    features = run.splits.train_dataset.inter_feat
    cap = run.config["MAX_ITEM_LIST_LENGTH"]
    for row, (history, _) in enumerate(histories(run)):
        assert history[-cap:] == features["item_id_list"][row][: int(features["item_length"][row])].tolist()


def test_interactions_have_the_users_earlier_ones(prepare: Callable[..., Any]) -> None:
    """A history that reaches into the future, validation or test would leak the answer."""
    run = prepare("BPR", eval_args=BY_TIME)
    features = run.splits.train_dataset.inter_feat
    users, items, times = (features[name].numpy() for name in ("user_id", "item_id", "timestamp"))
    for row, (history, target) in enumerate(histories(run)):
        mine = np.flatnonzero(users == users[row])
        earlier = [i for i in mine if (times[i], i) < (times[row], row)]
        assert sorted(history) == sorted(items[earlier].tolist())
        assert target == items[row]


def test_families_agree_on_a_users_history(prepare: Callable[..., Any]) -> None:
    """One store of a teacher's knowledge must serve every family of students."""
    sequential = prepare("SASRec")
    general = prepare("BPR", eval_args=BY_TIME)
    names = {}
    for run in (sequential, general):
        tokens = item_tokens(run.splits, run.config)
        names[run.config["model"]] = {tuple(tokens[i] for i in history) for history, _ in histories(run) if history}
    assert names["SASRec"] == names["BPR"]


def test_feature_interaction_students_know_the_order_in_a_random_split(
    prepare: Callable[..., Any], write_dataset: Callable[..., Path]
) -> None:
    """Their time is loaded and not used; teachers would be fine-tuned on shuffled sequences."""
    rows = [(u, f"i{(7 * u + 3 * t) % 20}", t) for u in range(30) for t in range(12)]
    folder = write_dataset("shop", rows)
    run = prepare("FM", folder, user_inter_num_interval="[0,inf)")
    assert "timestamp" not in run.splits.train_dataset.inter_feat
    assert not [name for name in run.splits.train_dataset.field2type if name.startswith("ckd")]
    tokens = item_tokens(run.splits, run.config)
    users = run.splits.dataset.field2id_token["user_id"]
    when = {(str(u), i): t for u, i, t in rows}
    found = training_rows(run.splits, run.config)
    for user, start, stop in zip(found.users, found.offsets[:-1], found.offsets[1:], strict=True):
        times = [when[users[user], tokens[i]] for i in found.flat[start:stop]]
        assert times == sorted(times)


def test_held_out_pairs_are_those_of_both_splits(prepare: Callable[..., Any]) -> None:
    """The leak check compares them with what teachers are pre-trained on."""
    run = prepare("BPR", eval_args=BY_TIME)
    pairs = held_out_pairs(run.splits, run.config)
    assert len(pairs) == len(run.splits.valid._dataset) + len(run.splits.test._dataset)


def test_without_time_the_users_others_are_the_history(prepare: Callable[..., Any]) -> None:
    """With no order known, nothing may be called earlier; the row's own item must not be in its history."""
    run = prepare("BPR", load_col={"inter": ["user_id", "item_id"]})
    features = run.splits.train_dataset.inter_feat
    users, items = features["user_id"].numpy(), features["item_id"].numpy()
    for row, (history, target) in list(enumerate(histories(run)))[:200]:
        others = sorted(items[users == users[row]].tolist())
        others.remove(target)
        assert sorted(history) == others[:50]


def test_autoencoders_have_one_row_a_user(prepare: Callable[..., Any]) -> None:
    """Their batches hold user ids only."""
    run = prepare("MultiVAE")
    rows = training_rows(run.splits, run.config)
    assert rows.by_user
    assert len(rows.target) == run.splits.dataset.user_num
    user = int(rows.users[0])
    block = rows.flat[rows.offsets[0] : rows.offsets[1]].tolist()
    assert rows.flat[rows.start[user] : rows.stop[user]].tolist() == block[:-1]
    assert int(rows.target[user]) == block[-1]


@pytest.mark.parametrize("model", ["SASRec", "BPR"])
def test_validation_targets_are_the_validation_splits(prepare: Callable[..., Any], model: str) -> None:
    """Teachers must be selected on validation, never on test."""
    run = prepare(model, eval_args=BY_TIME)
    rows = training_rows(run.splits, run.config)
    valid = run.splits.valid._dataset.inter_feat
    truth = dict(zip(valid["user_id"].tolist(), valid["item_id"].tolist(), strict=True))
    found = validation_targets(run.splits, run.config, rows)
    assert {int(u): int(i) for u, i in zip(rows.users, found, strict=True)} == truth


@pytest.mark.parametrize(
    ("model", "split"), [("SASRec", BY_TIME), ("BPR", BY_TIME), ("BPR", {**BY_TIME, "order": "RO"})]
)
def test_rows_name_their_user(prepare: Callable[..., Any], model: str, split: dict[str, Any]) -> None:
    """A teacher that knows users would be asked about somebody else."""
    run = prepare(model, eval_args=split)
    rows = training_rows(run.splits, run.config)
    assert rows.user.tolist() == run.splits.train_dataset.inter_feat["user_id"].tolist()


def test_a_row_of_an_autoencoder_is_its_user(prepare: Callable[..., Any]) -> None:
    """Its batches name users, not rows."""
    run = prepare("MultiVAE", eval_args=BY_TIME)
    rows = training_rows(run.splits, run.config)
    assert rows.user.tolist() == list(range(run.splits.dataset.user_num))
