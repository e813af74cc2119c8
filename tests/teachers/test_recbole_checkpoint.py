"""Checkpoints as RecBole's trainer and as ours write them, in models that teach."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.utils import get_trainer

from ckd_plugins.domains import Domain
from ckd_plugins.errors import CheckpointError, TeacherError
from ckd_plugins.host.compat import clean_environment
from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.models import build_model
from ckd_plugins.host.recommender import Recommender
from ckd_plugins.host.settings import build_config, find_dataset
from ckd_plugins.host.trainer import build_trainer, close_trainer
from ckd_plugins.teachers import RecBoleModel
from ckd_plugins.teachers.recbole_checkpoint import read_trained
from ckd_plugins.training.material import gather

SIZES = {
    "embedding_size": 8,
    "hidden_size": 8,
    "inner_size": 12,
    "n_heads": 4,
    "n_layers": 2,
    "k": 5,
    "reg_weight": 9.0,
}
BY_TIME = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}
LENGTH = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset in no order of users, items or time, so that RecBole's numbers are those of no other file."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("stock") / "walks"
    folder.mkdir()
    rows = []
    for user in range(80):
        at = rng.integers(30)
        for step in range(rng.integers(5, 9)):
            rows.append(f"u{user}\ti{at}\t{step}")
            at = (at + 1) % 30 if rng.random() < 0.8 else rng.integers(30)
    header = "user_id:token\titem_id:token\ttimestamp:float"
    (folder / "walks.inter").write_text("\n".join([header, *rng.permutation(rows)]) + "\n")
    return folder


def loaded(model: str, place: Path) -> tuple[Any, Splits]:
    settings = {**SIZES, "eval_args": BY_TIME, "MAX_ITEM_LIST_LENGTH": LENGTH, "epochs": 2, "gpu_id": "",
                "train_batch_size": 128}  # fmt: skip
    config = build_config(model, find_dataset(str(place)), settings, place.parent / model)
    return config, load_splits(config)


@pytest.fixture(scope="module")
def domain(place: Path) -> Domain:
    """What a run of another student is about."""
    config, splits = loaded("GRU4Rec", place)
    return gather(splits, config, find_dataset(str(place)), None).domain


Wrote = Callable[..., tuple[str, Recommender]]


@pytest.fixture(scope="module")
def wrote(place: Path) -> Wrote:
    """``wrote("EASE")``: a checkpoint of RecBole's own trainer, and what RecBole makes of it; trained once."""
    made: dict[tuple[str, bool], tuple[str, Recommender]] = {}

    def call(model: str, ours: bool = False) -> tuple[str, Recommender]:
        if (model, ours) not in made:
            config, splits = loaded(model, place)
            net, folder = build_model(config, splits), place.parent / model
            with recbole_log(folder), contextlib.chdir(folder), clean_environment():
                stock = get_trainer(config["MODEL_TYPE"], model)
                trainer = build_trainer(config, net, folder, []) if ours else stock(config, net)
                trainer.fit(splits.train, splits.valid, verbose=False, saved=True, show_progress=False)
                close_trainer(trainer)
            stored = torch.load(trainer.saved_model_file, weights_only=False)
            net.load_state_dict(stored["state_dict"])
            net.load_other_parameter(stored["other_parameter"])
            made[model, ours] = trainer.saved_model_file, Recommender(config, splits, net, trainer)
        return made[model, ours]

    return call


def agrees(teacher: RecBoleModel, source: Recommender, domain: Domain) -> None:
    """Every item's score, after every user's history."""
    asked = domain.valid_instances(LENGTH)
    scores = teacher.scores(asked) * teacher._unit
    user, item = ({token: i for i, token in enumerate(tokens)} for tokens in (source.users, source.items))
    users = np.array([user[domain.users[u]] for u in asked.user])
    order = np.array([item[token] for token in domain.items])
    if teacher._sequential:
        lists, lengths = asked.padded(np.arange(len(asked)), LENGTH)
        wide = np.zeros((len(asked), LENGTH), np.int64)
        wide[:, : lists.shape[1]] = np.concatenate([[0], order])[lists]
        wanted = source.for_histories(wide, lengths, users)
    else:
        wanted = source.for_users(users)
    known = np.isfinite(scores)
    assert known.sum(axis=1).min() > 10
    np.testing.assert_allclose(scores[known], wanted.numpy()[:, order][known], atol=1e-5)
    assert np.ptp(scores[known]) > 1e-3, "scores that hardly differ agree with anything"


@pytest.mark.parametrize(
    "model", ["SASRec", "FPMC", "BERT4Rec", "BPR", "LightGCN", "MultiVAE", "EASE", "ItemKNN", "Pop"]
)
def test_it_scores_as_the_model_that_wrote_the_file(domain: Domain, wrote: Wrote, tmp_path: Path, model: str) -> None:
    """Rows of other items or users, other sizes or heads, or fresh weights give scores that look like scores."""
    file, source = wrote(model)
    teacher = RecBoleModel(model=model, checkpoint=file, k=40)
    assert not teacher.finetune(domain).epochs
    agrees(teacher, source, domain)
    teacher.save(tmp_path / "kept")
    assert file not in (tmp_path / "kept" / "config.json").read_text()
    back = RecBoleModel.load(tmp_path / "kept")
    assert back.digest == teacher.digest
    agrees(back, source, domain)


@pytest.mark.parametrize("model", ["GRU4Rec", "EASE"])
def test_a_student_of_ours_can_teach(domain: Domain, wrote: Wrote, model: str) -> None:
    """What this package trained and kept as a RecBole checkpoint."""
    file, source = wrote(model, ours=True)
    teacher = RecBoleModel(model=model, checkpoint=file, k=40)
    teacher.finetune(domain)
    agrees(teacher, source, domain)


def test_the_files_settings_win(domain: Domain, wrote: Wrote) -> None:
    """The number of heads is in no weight."""
    file, source = wrote("SASRec")
    teacher = RecBoleModel(model="SASRec", checkpoint=file, max_length=50, k=40, settings={"n_heads": 1, "gpu_id": ""})
    teacher.finetune(domain)
    assert (teacher.max_length, teacher.settings["n_heads"], teacher.settings["gpu_id"]) == (LENGTH, 4, "")
    agrees(teacher, source, domain)


def test_it_can_be_fine_tuned_no_more(domain: Domain, wrote: Wrote) -> None:
    """A run's progress would show 300 epochs that never come."""
    assert RecBoleModel(model="BPR", checkpoint=wrote("BPR")[0]).finetune_epochs == 1
    assert RecBoleModel(model="BPR").finetune_epochs == 300


@pytest.mark.parametrize(("model", "what"), [("BPR", "item_embedding.weight"), ("EASE", "interaction_matrix"),
                                             ("ItemKNN", "w"), ("MultiVAE", "decoder")])  # fmt: skip
def test_other_data_are_refused(domain: Domain, wrote: Wrote, model: str, what: str) -> None:
    """A file holds no tokens: with another catalogue every item would get another one's vector."""
    larger = replace(domain, items=(*domain.items, "new"), text=(*domain.text, None))
    with pytest.raises(
        TeacherError, match=rf"does not fit 'walks' as this run has it \('{what}.* in the file and "
    ) as at:
        RecBoleModel(model=model, checkpoint=wrote(model)[0]).finetune(larger)
    assert "\n" not in str(at.value)
    with pytest.raises(TeacherError, match="is of the dataset 'walks', and the teacher's is 'other'"):
        RecBoleModel(model=model, checkpoint=wrote(model)[0]).finetune(replace(domain, name="other"))
    with pytest.raises(TeacherError, match=f"is of the model '{model}', and the teacher's is 'GRU4Rec'"):
        RecBoleModel(model="GRU4Rec", checkpoint=wrote(model)[0]).finetune(domain)


def test_whole_modules_in_a_file_are_refused_and_its_weights_will_do(
    domain: Domain, wrote: Wrote, tmp_path: Path
) -> None:
    """DIN keeps an object of RecBole's beside its weights, which only RecBole's code could make; it adds no weight."""
    file, source = wrote("DIN")
    with pytest.raises(CheckpointError, match=r"asks for recbole\.model\.layers\.ContextSeqEmbLayer, .* alone"):
        RecBoleModel(model="DIN", checkpoint=file).finetune(domain)
    stored = torch.load(file, weights_only=False)
    torch.save({"config": stored["config"], "state_dict": stored["state_dict"]}, tmp_path / "alone.pth")
    teacher = RecBoleModel(model="DIN", checkpoint=str(tmp_path / "alone.pth"), k=40)
    teacher.finetune(domain)
    agrees(teacher, source, domain)


def test_trees_are_refused() -> None:
    """RecBole keeps them as files of LightGBM's and XGBoost's beside a pickle."""
    with pytest.raises(TeacherError, match=r"checkpoints of trees \(LightGBM\) are not read"):
        RecBoleModel(model="LightGBM", checkpoint="x.pth")


def forged(path: Path, settings: dict[str, Any], **more: Any) -> str:
    from recbole.config import Config

    config = Config.__new__(Config)
    vars(config)["final_config_dict"] = settings
    torch.save({"config": config, "state_dict": {"w": torch.ones(1)}, **more}, path)
    return str(path)


def test_settings_that_recbole_evaluates_or_opens_are_left(tmp_path: Path) -> None:
    """KD_DAGFM evaluates its teacher's name as Python; NeuMF and ConvNCF unpickle what their paths name."""
    bad = {"teacher": "__import__('os').system('touch ran')", "warm_up": "evil.pth", "phase": "finetuning", "depth": 3}
    read = read_trained(forged(tmp_path / "a.pth", {"model": "KD_DAGFM", **bad}), "KD_DAGFM", "walks")
    assert read.settings == {"depth": 3}
    bad = {"mf_pretrain_path": "a", "mlp_pretrain_path": "b", "use_pretrain": True, "mf_train": True, "seed": 5}
    read = read_trained(forged(tmp_path / "a.pth", bad), "NeuMF", "walks")
    assert read.settings == {"mf_train": True}


@pytest.mark.parametrize("value", ["a/b", "f()", "a b", "", {"a": 1}, ["x", "y z"], torch.ones(1), "a" * 99])
def test_settings_are_numbers_and_words(tmp_path: Path, value: Any) -> None:
    """What a later RecBole does with a string is not known."""
    with pytest.raises(TeacherError, match="its setting 'hidden_act' is no number, word or list of them"):
        read_trained(forged(tmp_path / "a.pth", {"hidden_act": value}), "SASRec", "walks")


def test_code_in_a_checkpoint_does_not_run(domain: Domain, tmp_path: Path) -> None:
    """RecBole would run it."""
    file = forged(tmp_path / "a.pth", {}, optimizer=re.compile("a"))
    with pytest.raises(CheckpointError, match=r"asks for re\._compile"):
        RecBoleModel(model="BPR", checkpoint=file).finetune(domain)
