from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins.errors import ConfigError
from ckd_plugins.host.checkpoint import read_checkpoint
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.trainer import build_trainer, close_trainer


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []

    def before_epoch(self, epoch: int, train_data: Any) -> None:
        self.events.append(("before", epoch))

    def after_epoch(self, epoch: int, seconds: float, loss: float) -> None:
        assert seconds > 0
        assert loss > 0
        self.events.append(("after", epoch))

    def after_validation(self, epoch: int, score: float, result: dict[str, float]) -> None:
        assert "recall@10" in result
        self.events.append(("valid", epoch))


def test_watchers_see_each_epoch_in_order(prepare: Callable[..., Any]) -> None:
    """A curriculum that is told the wrong epoch draws the wrong rows."""
    run, recorder = prepare("BPR", epochs=2), Recorder()
    with recbole_log(run.folder):
        build_trainer(run.config, run.model, run.folder, [recorder]).fit(run.splits.train, run.splits.valid)
    assert recorder.events == [(kind, e) for e in (0, 1) for kind in ("before", "after", "valid")]


@pytest.mark.parametrize(("model", "stock"), [("RecVAE", "RecVAETrainer"), ("MKR", "MKRTrainer"), ("CKE", "KGTrainer")])
def test_special_trainers_are_kept(prepare: Callable[..., Any], model: str, stock: str) -> None:
    """RecBole picks trainers by the model's name; a plain trainer would train these wrongly."""
    import recbole.trainer

    run = prepare(model)
    trainer = build_trainer(run.config, run.model, run.folder, [])
    assert isinstance(trainer, getattr(recbole.trainer, stock))


def test_nothing_is_written_into_the_working_directory(
    prepare: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RecBole litters log/, log_tensorboard/ and saved/ wherever it is started."""
    elsewhere = tmp_path / "cwd"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run = prepare("BPR")
    with recbole_log(run.folder):
        trainer = build_trainer(run.config, run.model, run.folder, [])
        trainer.fit(run.splits.train, run.splits.valid)
        trainer.evaluate(run.splits.test)
    assert list(elsewhere.iterdir()) == []
    assert (run.folder / "BPR.pth").is_file()
    assert list((run.folder / "tensorboard").iterdir())
    assert "train loss" in (run.folder / "recbole.log").read_text()


def test_the_best_epoch_is_tested_without_unpickling(
    prepare: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch >= 2.6 refuses RecBole's pickled Config; a blanket trusting torch.load would run any file's code."""
    run = prepare("LightGCN", epochs=2, learning_rate=0.05)
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("torch.load was called"))
    with recbole_log(run.folder):
        trainer = build_trainer(run.config, run.model, run.folder, [])
        trainer.fit(run.splits.train, run.splits.valid)
        best = {k: v.clone() for k, v in trainer.ckd_best["state_dict"].items()}
        with torch.no_grad():
            for parameter in run.model.parameters():
                parameter.zero_()
        trainer.evaluate(run.splits.test)
    assert all(torch.equal(v, best[k]) for k, v in run.model.state_dict().items())


def test_a_checkpoint_file_can_be_tested(prepare: Callable[..., Any]) -> None:
    """Users keep checkpoints and evaluate them later."""
    run = prepare("BPR")
    with recbole_log(run.folder):
        trainer = build_trainer(run.config, run.model, run.folder, [])
        trainer.fit(run.splits.train, run.splits.valid)
        first = trainer.evaluate(run.splits.test)
        trainer.ckd_best = None
        with torch.no_grad():
            run.model.user_embedding.weight.zero_()
        again = trainer.evaluate(run.splits.test, model_file=trainer.saved_model_file)
    assert dict(first) == dict(again)


def test_the_checkpoint_is_stock_recboles(prepare: Callable[..., Any]) -> None:
    """A student must load in RecBole without this package."""
    run = prepare("BPR")
    with recbole_log(run.folder):
        build_trainer(run.config, run.model, run.folder, []).fit(run.splits.train, run.splits.valid)
    content = read_checkpoint(run.folder / "BPR.pth")
    assert set(content.tensors) == {"user_embedding.weight", "item_embedding.weight"}
    assert content.settings["model"] == "BPR"
    assert "ckd" not in Path(run.folder, "BPR.pth").read_bytes().decode("latin1")


@pytest.mark.parametrize(
    ("setting", "value"), [("learning_rate", "abc"), ("learning_rate", -1.0), ("eval_step", "x"), ("weight_decay", "x")]
)
def test_a_setting_of_a_wrong_kind_is_one_line(prepare: Callable[..., Any], setting: str, value: object) -> None:
    """RecBole and torch compare it with a number somewhere inside: a traceback, and TensorBoard's thread stays."""
    run = prepare("BPR", **{setting: value})
    before = threading.active_count()
    with pytest.raises(ConfigError, match=r"RecBole's Trainer refuses the settings of BPR on ml-100k: .") as caught:
        build_trainer(run.config, run.model, run.folder, [])
    assert "\n" not in str(caught.value)
    assert threading.active_count() == before


def test_a_closed_trainer_leaves_no_thread(prepare: Callable[..., Any]) -> None:
    """A study of a hundred runs would end with a hundred threads and open files."""
    run = prepare("BPR")
    before = threading.active_count()
    for _ in range(2):
        trainer = build_trainer(run.config, run.model, run.folder, [])
        assert threading.active_count() > before, "nothing to close: this test shows nothing"
        close_trainer(trainer)
        close_trainer(trainer)
        assert threading.active_count() == before


def test_a_trainer_without_tensorboard_can_be_closed() -> None:
    """Not each of RecBole's trainers, nor somebody's own, has one."""
    close_trainer(object())
