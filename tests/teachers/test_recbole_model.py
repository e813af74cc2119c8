from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd_plugins.domains import Domain
from ckd_plugins.errors import DataError, TeacherError, UnknownNameError
from ckd_plugins.teachers import Epoch, RecBoleModel
from ckd_plugins.teachers.keeping import Slot, kept_in
from ckd_plugins.teachers.ranking import ndcg

FAST = {"epochs": 3, "train_batch_size": 256, "embedding_size": 16, "hidden_size": 16, "gpu_id": ""}
Fitted = Callable[[str], RecBoleModel]


class Stopped(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def fitted(domain: Domain) -> Fitted:
    """``fitted("EASE")``: that model, fine-tuned on the walks; trained once."""
    made: dict[str, RecBoleModel] = {}

    def call(model: str) -> RecBoleModel:
        if model not in made:
            made[model] = RecBoleModel(model=model, settings=FAST, max_length=6, k=20)
            made[model].finetune(domain)
        return made[model]

    return call


def mean_ndcg(scores: np.ndarray, target: np.ndarray) -> float:
    own = scores[np.arange(len(target)), target]
    return ndcg((scores > own[:, None]).sum(1) + 1)


@pytest.mark.parametrize("model", ["GRU4Rec", "FPMC", "EASE", "BPR", "FM", "MultiVAE"])
def test_its_scores_are_those_that_recbole_validated(domain: Domain, model: str) -> None:
    """Scores in another numbering of items, of another user, or of the last epoch look like scores."""
    teacher = RecBoleModel(model=model, settings={**FAST, "epochs": 12, "learning_rate": 0.01}, max_length=6, k=60)
    history = teacher.finetune(domain)
    held = domain.valid_instances(6)
    scores = teacher.scores(held)
    if model not in ("GRU4Rec", "FPMC"):  # RecBole masks what a user has chosen, the targets excepted
        for row, user in enumerate(held.user):
            known = domain.sequence[domain.offsets[user] : domain.offsets[user + 1]]
            scores[row, known[known != held.target[row]]] = -np.inf
    assert history.valid is not None
    assert history.valid > 0.2
    assert mean_ndcg(scores, held.target) == pytest.approx(history.valid, abs=1e-3)


@pytest.mark.parametrize("model", ["GRU4Rec", "FPMC", "EASE", "LightGCN", "XGBoost"])
def test_it_comes_back_from_disk_with_the_same_answers(
    domain: Domain, fitted: Fitted, tmp_path: Path, model: str
) -> None:
    """A cached teacher that answers otherwise than the one that was judged."""
    teacher, asked = fitted(model), domain.train_instances(6)
    teacher.save(tmp_path / "kept")
    back = RecBoleModel.load(tmp_path / "kept")
    assert (back.digest, back.parameters) == (teacher.digest, teacher.parameters)
    assert {p.name for p in (tmp_path / "kept").iterdir()} == {"config.json", "model.safetensors"}
    for a, b in zip(teacher.lists(asked), back.lists(asked), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(teacher.keys(asked), back.keys(asked))


def test_a_users_model_gives_all_of_a_users_rows_one_answer(domain: Domain, fitted: Fitted) -> None:
    """Keyed by histories, two users who began alike would get one answer, and a user's rows would all be stored."""
    asked = domain.train_instances(6)
    keys, (ids, _) = fitted("EASE").keys(asked), fitted("EASE").lists(asked)
    assert len(np.unique(keys)) == len(np.unique(asked.user))
    for user in (0, 7):
        rows = asked.user == user
        assert (ids[rows] == ids[rows][0]).all()
    first = ids[np.unique(asked.user, return_index=True)[1]]
    assert len(np.unique(first, axis=0)) > 100


def test_a_history_model_answers_histories_whoever_has_them(domain: Domain, fitted: Fitted) -> None:
    """Rows of an unordered or a random split are no prefixes, and name nobody."""
    asked = domain.train_instances(6)
    nameless = replace(asked, users=(), user=np.zeros(0))
    np.testing.assert_array_equal(fitted("GRU4Rec").keys(asked), fitted("GRU4Rec").keys(nameless))
    for a, b in zip(fitted("GRU4Rec").lists(asked), fitted("GRU4Rec").lists(nameless), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_of_histories_and_users_is_asked_about_both(domain: Domain, fitted: Fitted) -> None:
    """FPMC's answers differ from user to user: with keys of histories alone one would stand for all."""
    asked = domain.train_instances(6)
    plain, both = asked.keys(6), fitted("FPMC").keys(asked)
    shared = [rows for key in np.unique(plain) if len(set(asked.user[rows := np.flatnonzero(plain == key)])) > 1]
    assert shared
    assert all(len(np.unique(both[rows])) == len(set(asked.user[rows])) for rows in shared)


def test_rows_without_a_history_or_a_known_user_have_no_answer(domain: Domain, fitted: Fitted) -> None:
    """The last user's list would stand for everybody that nobody knows."""
    asked = domain.valid_instances(6).take([0, 1, 2])
    asked = replace(asked, users=(*domain.users, "stranger"), user=np.array([-1, domain.n_users, asked.user[2]]))
    assert (fitted("EASE").keys(asked) == 0).tolist() == [True, True, False]
    found = fitted("EASE").scores(asked)
    assert np.isneginf(found[:2]).all()
    assert np.isfinite(found[2]).any()
    empty = replace(asked, start=asked.stop)
    assert (fitted("GRU4Rec").keys(empty) == 0).all()
    assert np.isneginf(fitted("GRU4Rec").scores(empty)).all()


def test_it_answers_in_the_numbering_it_is_asked_in(domain: Domain, fitted: Fitted) -> None:
    """Another run numbers items and users otherwise."""
    asked = domain.valid_instances(6)
    order = np.random.default_rng(0).permutation(domain.n_items)
    place = np.argsort(order)
    people = np.random.default_rng(1).permutation(domain.n_users)
    other = replace(
        asked,
        items=tuple(domain.items[i] for i in order),
        flat=place[asked.flat],
        target=place[asked.target],
        users=tuple(domain.users[u] for u in people),
        user=np.argsort(people)[asked.user],
    )
    for model in ("EASE", "GRU4Rec"):
        teacher = fitted(model)
        np.testing.assert_array_equal(teacher.scores(other), teacher.scores(asked)[:, order])
        np.testing.assert_array_equal(teacher.keys(other), teacher.keys(asked))


def test_items_that_it_does_not_know_are_passed_over(domain: Domain, fitted: Fitted) -> None:
    """An item more, in a history or in the catalogue, must neither shift the others nor be scored."""
    asked, teacher = domain.valid_instances(6).take([0, 1]), fitted("GRU4Rec")
    first = asked.history(0)
    flat = np.concatenate([first[:-1], [0], first[-1:], asked.history(1)]) + 1
    flat[len(first) - 1] = 0  # the stranger
    bounds = np.array([0, len(first) + 1, len(flat)])
    other = replace(
        asked, items=("stranger", *domain.items), flat=flat, start=bounds[:-1], stop=bounds[1:], target=asked.target + 1
    )
    scores = teacher.scores(other)
    assert np.isneginf(scores[:, 0]).all()
    newest = replace(asked, start=np.maximum(asked.start, asked.stop - 5))
    np.testing.assert_array_equal(scores[0, 1:], teacher.scores(newest)[0])
    np.testing.assert_array_equal(scores[1, 1:], teacher.scores(asked)[1])


def test_test_targets_change_nothing(domain: Domain, fitted: Fitted) -> None:
    """A teacher that has seen them would teach what the student is tested on."""
    blind = RecBoleModel(model="EASE", settings=FAST, max_length=6, k=20)
    blind.finetune(replace(domain, test=np.full(domain.n_users, -1)))
    assert blind.digest == fitted("EASE").digest


def test_epochs_are_reported_with_their_validation(domain: Domain) -> None:
    """A progress bar that stands still, and a history that knows no best epoch."""
    told: list[Epoch] = []
    history = RecBoleModel(model="BPR", settings=FAST).finetune(domain, progress=told.append)
    assert [e.number for e in told] == [1, 2, 3] == [e.number for e in history.epochs]
    assert history.valid == max(e.valid for e in history.epochs if e.valid is not None)


@pytest.mark.parametrize("model", ["GRU4Rec", "BPR", "LightGCN", "MultiVAE", "SGL", "RecVAE"])
def test_a_stopped_training_goes_on(
    domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """Negatives, dropout and order of another epoch, or an annealing that begins again, are another model.

    RecVAE has a trainer of its own, which begins again.
    """
    settings = {
        **FAST,
        "epochs": 5,
        "hidden_dimension": 16,
        "latent_dimension": 8,
        "stopping_step": 2,
        "learning_rate": 0.02,
    }
    stock, left = Slot.write, -1

    def write(slot: Slot, *state: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Stopped
        stock(slot, *state)

    monkeypatch.setattr(Slot, "write", write)
    lines: list[str] = []

    def made() -> tuple[str, object]:
        with kept_in(tmp_path, "a", every=0.0, told=lines.append):
            np.random.seed(len(lines))  # whatever the process did before
            teacher = RecBoleModel(model=model, settings=settings, max_length=6, k=20)
            history = teacher.finetune(domain)
            return teacher.digest, (history.best, [(e.number, e.loss, e.valid) for e in history.epochs])

    expected = made()
    kept = model != "RecVAE"
    if kept:
        shutil.rmtree(tmp_path)
    for stop in (2, 3) if kept else ():
        left = stop
        with pytest.raises(Stopped):
            made()
    left = -1
    assert made() == expected
    places = ["epoch 2", "epoch 4"] if kept else []
    assert [line.partition("goes on at ")[2] for line in lines] == [f"{place} (of 5 epochs)" for place in places]


def test_without_validation_targets_the_last_of_training_serve(domain: Domain) -> None:
    """A domain that comes without a split; and one with nothing to hold out."""
    teacher = RecBoleModel(model="ItemKNN", settings=FAST)
    teacher.finetune(replace(domain, valid=np.full(domain.n_users, -1)))
    assert teacher.domain is not None
    assert (teacher.domain.valid >= 0).any()
    short = Domain.from_interactions("short", ["u", "v"], ["a", "b"])
    with pytest.raises(DataError, match="no user has two training interactions"):
        RecBoleModel(model="ItemKNN").finetune(short)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("Random", "it ranks at random: nothing to teach"),
        ("KGCN", r"it reads \.kg \.link files"),
        ("GRU4RecKG", r"it reads \.kg \.link \.ent \.rel files"),
        ("SASRecF", "it reads item features"),
        ("DIEN", "it reads columns that RecBole draws for it alone"),
    ],
)
def test_what_needs_more_than_interactions_is_refused(model: str, reason: str) -> None:
    """An error out of RecBole's middle, after an hour of training."""
    with pytest.raises(TeacherError, match=f"{model} cannot be a teacher: {reason}"):
        RecBoleModel(model=model)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """RecBole says that the model does not exist."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TeacherError, match=r"lightgbm is missing; pip install 'ckd-plugins\[trees\]'"):
        RecBoleModel(model="XGBoost")


def test_wrong_options_are_refused() -> None:
    """RecBole ignores what it does not know, and a run's own settings would be overwritten without a word."""
    with pytest.raises(UnknownNameError, match="ItemKNN"):
        RecBoleModel(model="ItemKNM")
    with pytest.raises(TeacherError, match="'eval_args' follows from the run"):
        RecBoleModel(model="EASE", settings={"eval_args": {}})
    with pytest.raises(TeacherError, match="k is 0"):
        RecBoleModel(model="EASE", k=0)


def test_a_damaged_folder_is_refused(fitted: Fitted, tmp_path: Path) -> None:
    """The cache trains a teacher again that says so, and fails on any other error."""
    fitted("EASE").save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["unit"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(TeacherError, match="train it again"):
        RecBoleModel.load(tmp_path)


def test_before_fine_tuning_it_knows_nothing(domain: Domain) -> None:
    """Answers of an untrained model would be stored."""
    with pytest.raises(TeacherError, match="has not been fine-tuned"):
        RecBoleModel(model="EASE").scores(domain.valid_instances(6))
