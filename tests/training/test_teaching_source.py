"""Teachers from folders in runs: the same teacher as one that the run makes itself, or a reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import ConfigError, PluginError, TeacherError
from ckd_plugins.registry import Registry
from ckd_plugins.teachers.text_teacher import TextTeacher
from ckd_plugins.training import finetune_teacher, pretrain_teacher
from ckd_plugins.training.teaching import Taught, read_pretraining, teach

from .conftest import FAST_TEACHER, N_ITEMS, Recorder, WordEncoder, write_shop
from .fakes import LastItem

FIELDS = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "TIME_FIELD": "timestamp"}
OPTIONS = {**FAST_TEACHER, "pretrain_epochs": 2, "batch_size": 256}
READING = {"pretrain_epochs": 2, "finetune_epochs": 3, "second_stage": 1, "max_length": 20, "max_tokens": 32}
KINDS: dict[str, dict[str, Any]] = {
    "unisrec": OPTIONS,
    "vqrec": {**OPTIONS, "digits": 4, "code_size": 8},
    "unim2rec": OPTIONS,
    "recformer": {**READING, "attribute_tokens": 6, "learning_rate": 5e-3, "warmup": 5},
}


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return write_shop(tmp_path / "other", "other", seed=3, users=60)


@pytest.fixture
def section(tmp_path: Path, other: Path) -> dict[str, Any]:
    return {"text": {"encoder": "words"}, "cache_dir": str(tmp_path / "cache"), "pretrain_domains": [str(other)]}


@pytest.fixture
def ask(prepare: Any, registry: Registry, recorder: Recorder, section: dict[str, Any]) -> Callable[..., Taught]:
    """``ask({"name": "unisrec"})``: that teacher, for SASRec's rows; of several the last."""
    material = prepare("SASRec").material

    def call(*teachers: Any, seed: int = 2020) -> Taught:
        config = CkdConfig.parse({**section, "teachers": teachers})
        domains = read_pretraining(config, FIELDS)
        return teach(config.teachers, material, domains, config, registry, recorder, seed)[-1]

    return call


@pytest.mark.parametrize("kind", KINDS)
def test_pretraining_ahead_is_pretraining_in_the_run(
    ask: Callable[..., Taught], section: dict[str, Any], tmp_path: Path, bert: str, kind: str
) -> None:
    """What is made once and used often must be what each run would have made, or the short way is another method."""
    tokens = [f"{name}{item}" for name in ("shop", "other") for item in range(0, N_ITEMS, 2)]
    looks = np.random.default_rng(0).standard_normal((len(tokens), 6)).astype(np.float32)
    np.savez(tmp_path / "images.npz", tokens=np.array(tokens), vectors=looks)
    files = {"unim2rec": {"images": str(tmp_path / "images.npz")}, "recformer": {"backbone": bert}}.get(kind, {})
    options = {**KINDS[kind], **files}
    pretrain_teacher({"name": kind, **options}, tmp_path / "pre", None, {"ckd": section})
    ahead = ask({"from": str(tmp_path / "pre"), **files})
    own = ask({"name": kind, **options})
    assert (set(ahead.seconds), set(own.seconds)) == ({"finetune", "cache"}, {"pretrain", "finetune", "cache"})
    left, right = ((t.folder / "model.safetensors").read_bytes() for t in (ahead, own))
    assert left == right


def test_where_a_folder_lies_does_not_count_but_what_is_in_it(
    ask: Callable[..., Taught], section: dict[str, Any], tmp_path: Path
) -> None:
    """Moving a folder must not cost a training; another one under its name must not be answered for by the old one."""
    for seed in (1, 2):
        out = tmp_path / str(seed)
        pretrain_teacher({"name": "unisrec", **OPTIONS}, out, None, {"seed": seed, "ckd": section})
    first = ask({"from": str(tmp_path / "1")})
    shutil.move(tmp_path / "1", tmp_path / "moved")
    (tmp_path / "moved" / "README.md").write_text("my notes")
    assert ask({"from": str(tmp_path / "moved")}).reused
    assert ask({"from": str(tmp_path / "2")}).folder != first.folder


def test_options_of_the_folder_stand_below_those_given(
    ask: Callable[..., Taught], section: dict[str, Any], tmp_path: Path
) -> None:
    """Fine-tuned with the class's defaults, the pre-trained weights would not fit."""
    pretrain_teacher({"name": "unisrec", **OPTIONS}, tmp_path / "pre", None, {"ckd": section})
    taught = ask({"from": str(tmp_path / "pre"), "finetune_epochs": 1})
    assert (taught.teacher.hidden_size, taught.teacher.finetune_epochs) == (16, 1)
    card = json.loads((taught.folder / "card.json").read_text())
    assert len(card["finetuning"]["epochs"]) == 1
    assert [d["name"] for d in card["pretraining"]["domains"]] == ["other"]
    for option, said in (("hidden_size", "trained with hidden_size=16"), ("max_length", r"options \(size mismatch.*")):
        with pytest.raises(TeacherError, match=said + ".*; leave the options? away") as told:
            ask({"from": str(tmp_path / "pre"), option: 32})
        assert "\n" not in str(told.value)


def test_a_layer_more_is_refused(ask: Callable[..., Taught], section: dict[str, Any], tmp_path: Path) -> None:
    """It would be random, beside pre-trained ones that stay as they are, and nothing would say so."""
    pretrain_teacher({"name": "unisrec", **OPTIONS}, tmp_path / "pre", None, {"ckd": section})
    with pytest.raises(TeacherError, match="was trained with n_layers=2, so that 3 does not fit its weights"):
        ask({"from": str(tmp_path / "pre"), "n_layers": 3})
    assert ask({"from": str(tmp_path / "pre"), "n_layers": 2}).teacher.n_layers == 2


def test_another_text_encoder_is_refused(
    ask: Callable[..., Taught], section: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors of the same size from another language model fit the weights and mean nothing to them."""
    pretrain_teacher({"name": "unisrec", **OPTIONS}, tmp_path / "pre", None, {"ckd": section})
    monkeypatch.setattr(WordEncoder, "identity", "words-2")
    with pytest.raises(ConfigError, match=r"text encoder 'words-1', and ckd\.text\.encoder is 'words-2'"):
        ask({"name": "vqrec", **KINDS["vqrec"]}, {"from": str(tmp_path / "pre")})
    assert not (tmp_path / "cache" / "teachers").exists(), "told after an hour of training another one"


def test_pretraining_is_not_lost_when_finetuning_is_killed(
    ask: Callable[..., Taught], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    """It takes hours, fine-tuning minutes; in a run both are one step."""
    from ckd_plugins.teachers.unisrec import UniSRec

    teacher = {"name": "unisrec", **OPTIONS}
    whole = ask(teacher)
    expected = (whole.folder / "model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(TextTeacher, "finetune", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ask(teacher)
    with monkeypatch.context() as patch:
        patch.setattr(UniSRec, "_pretrain_loss", lambda *_: pytest.fail("it was pre-trained again"))
        again = ask(teacher)
    assert (again.folder / "model.safetensors").read_bytes() == expected
    assert "unisrec: an earlier process was stopped; pretrain had ended (of 2 epochs)" in recorder.lines
    assert [p.name for p in again.folder.parent.iterdir()] == [again.folder.name]
    card = json.loads((again.folder / "card.json").read_text())
    assert [e["number"] for e in card["pretraining"]["epochs"]] == [1, 2]


def test_replaced_weights_are_noticed(
    ask: Callable[..., Taught], section: dict[str, Any], shop: Path, tmp_path: Path
) -> None:
    """The card says that it fits the run's data; the weights beside it are another teacher's."""
    made = {}
    for seed in (1, 2):
        settings = {"gpu_id": "", "seed": seed, "ckd": {**section, "pretrain_domains": []}}
        made[seed] = tmp_path / str(seed)
        finetune_teacher({"name": "unisrec", **OPTIONS}, shop, made[seed], None, settings)
    shutil.copy(made[2] / "model.safetensors", made[1])
    assert ask({"from": str(made[2])}, seed=2).folder == made[2]
    with pytest.raises(TeacherError, match=r"the weights are not those that its card\.json tells of"):
        ask({"from": str(made[1])}, seed=1)


def test_a_fine_tuned_folder_needs_no_encoder(
    ask: Callable[..., Taught], section: dict[str, Any], shop: Path, tmp_path: Path
) -> None:
    """On a machine that only teaches students no language model is installed."""
    out = tmp_path / "fine"
    settings = {"gpu_id": "", "ckd": section}
    finetune_teacher({"name": "unisrec", **OPTIONS}, shop, out, None, settings)
    section["text"] = {"encoder": "nobody"}
    taught = ask({"from": str(out), "as": "mine"})
    assert (taught.name, taught.signal.name, taught.folder) == ("mine", "mine", out)


def test_a_trained_folder_is_not_pretrained_again(section: dict[str, Any], tmp_path: Path) -> None:
    """Silently more pre-training would make a teacher that no card tells of."""
    pretrain_teacher({"name": "unisrec", **OPTIONS}, tmp_path / "pre", None, {"ckd": section})
    with pytest.raises(ConfigError, match="is trained already; name a teacher to pre-train from nothing"):
        pretrain_teacher({"from": str(tmp_path / "pre")}, tmp_path / "more", None, {"ckd": section})


def test_a_language_model_of_its_own_needs_no_encoder(
    ask: Callable[..., Taught], section: dict[str, Any], tmp_path: Path, bert: str
) -> None:
    """Recformer would be refused for an encoder that it never asks, and trained again with each."""
    pretrain_teacher(
        {"name": "recformer", **KINDS["recformer"], "backbone": bert}, tmp_path / "pre", None, {"ckd": section}
    )
    assert json.loads((tmp_path / "pre" / "card.json").read_text())["text_encoder"] is None
    first = ask({"from": str(tmp_path / "pre"), "backbone": bert})
    section["text"] = {"encoder": "nobody"}
    assert ask({"from": str(tmp_path / "pre"), "backbone": bert}).folder == first.folder


def test_a_plugins_teacher_that_cannot_be_tested_is_named(
    shop: Path, tmp_path: Path, fakes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'ckd teacher finetune' ended in a traceback."""

    def fails(*args: Any) -> Any:
        raise KeyError("brand")

    monkeypatch.setattr(LastItem, "encode", fails)
    given = {"gpu_id": "", "ckd.cache_dir": str(tmp_path / "cache")}
    with pytest.raises(PluginError, match="teacher 'last' of plugin 'test-teachers' cannot be tested: KeyError"):
        finetune_teacher("last", shop, tmp_path / "out", None, given)
