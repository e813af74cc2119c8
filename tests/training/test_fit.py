"""The run itself: what it says of itself, and what it leaves when it breaks."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recbole.model.general_recommender import BPR
from recbole.trainer import Trainer

from ckd_plugins import StudentSpec, TeacherSpec, hookimpl
from ckd_plugins.errors import ConfigError, StudentError, TeacherError
from ckd_plugins.registry import Registry
from ckd_plugins.study.rows import comparison
from ckd_plugins.training import entry
from ckd_plugins.training import fit as fit_module

from .conftest import Recorder
from .fakes import untestable

Run = Callable[..., dict[str, Any]]


class BreaksInMidTraining(BPR):
    """Raises in the loss once a number of batches is done."""

    left = 0
    error: type[BaseException] = RuntimeError

    def calculate_loss(self, interaction: Any) -> Any:
        type(self).left -= 1
        if self.left < 0:
            raise self.error("out of memory")
        return super().calculate_loss(interaction)


def no_teacher(**options: Any) -> Any:
    raise TeacherError("this teacher cannot be built")


class Breaking:
    @hookimpl
    def ckd_register_students(self) -> Iterator[StudentSpec]:
        yield StudentSpec(name="BreaksInMidTraining", factory=BreaksInMidTraining, family="general")

    @hookimpl
    def ckd_register_teachers(self) -> Iterator[TeacherSpec]:
        yield TeacherSpec(name="never", factory=no_teacher)


@pytest.fixture
def breaking(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> type[BreaksInMidTraining]:
    registry.register(Breaking(), "breaking")
    monkeypatch.setattr(BreaksInMidTraining, "left", 6)  # five batches of 256 an epoch: the second one breaks
    return BreaksInMidTraining


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_run_that_breaks_keeps_what_tells_why(
    run: Run, breaking: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """After a night's training the log is all there is to find out what happened."""
    monkeypatch.setattr(breaking, "error", error)
    with pytest.raises(error, match="out of memory"):
        run("BreaksInMidTraining", epochs=3)
    (folder,) = (tmp_path / "runs").iterdir()
    events = [json.loads(line) for line in (folder / "events.jsonl").open()]
    assert [event["event"] for event in events] == ["start", "epoch", "validation", "failed"]
    assert events[-1]["reason"] == f"{error.__name__}: out of memory"
    assert (folder / "BreaksInMidTraining.pth").is_file()
    assert not (folder / "result.json").exists()


def test_a_run_that_breaks_before_its_first_epoch_leaves_nothing(run: Run, breaking: Any, tmp_path: Path) -> None:
    """Folders of runs that never were fill the list of runs."""
    with pytest.raises(TeacherError, match="this teacher cannot be built"):
        run("BPR", ["never"])
    assert not (tmp_path / "runs").exists()


def test_the_next_run_is_not_touched_by_a_broken_one(run: Run, breaking: Any) -> None:
    """A logger, a patched loss or a random state that a broken run leaves behind would change its successors."""
    first = run("BPR", ["unisrec"])
    with pytest.raises(RuntimeError):
        run("BreaksInMidTraining", ["unisrec"])
    assert run("BPR", ["unisrec"])["test_result"] == first["test_result"]


@pytest.mark.parametrize(("model", "protocol"), [("SASRec", "all items"), ("BPR", "unseen items")])
def test_the_result_says_how_it_was_tested(run: Run, model: str, protocol: str) -> None:
    """Metrics over all items and over unseen ones look alike and do not compare."""
    assert run(model, epochs=1)["ckd"]["protocol"] == protocol


def test_a_run_by_sampled_candidates_says_so(run: Run) -> None:
    """Teachers have no such result, and the report must not pretend."""
    by_sample = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "uni20", "group_by": "user"}
    result = run("BPR", ["unisrec"], epochs=1, eval_args=by_sample)
    assert result["ckd"]["protocol"] == "uni20"
    assert result["ckd"]["teachers"]["unisrec"]["test_result"] is None


def test_what_the_result_tells_of_a_distilled_run(run: Run) -> None:
    """Tables, reports and papers are made from these entries."""
    about = run("SASRec", ["unisrec"], seed=3)["ckd"]
    assert set(about["seconds"]) == {"data", "teachers", "targets", "fit", "test", "epoch"}
    assert all(seconds > 0 for seconds in about["seconds"].values())
    assert about["seconds"]["epoch"] < about["seconds"]["fit"]
    teacher = about["teachers"]["unisrec"]
    assert set(teacher["seconds"]) == {"finetune", "cache"}
    assert teacher["parameters"] > 0
    assert set(teacher["test_result"]) == {"recall@10", "ndcg@10"}
    assert (about["seed"], about["model"], about["dataset"]) == (3, "SASRec", "shop")
    assert about["config"]["teachers"][0]["name"] == "unisrec"
    assert [entry["epoch"] for entry in about["history"]] == [0, 1]
    assert all("valid_score" in entry for entry in about["history"])
    assert about["passes"] >= 1
    assert about["targets"] == "once"


def test_a_plain_run_has_no_trace_of_distillation(run: Run) -> None:
    """'plain' in a table must mean stock RecBole."""
    about = run("BPR", epochs=1)["ckd"]
    assert (about["reader"], about["targets"], about["teachers"], about["passes"]) == (None, None, {}, 1)
    assert not {name for name in about["history"][0] if "distillation" in name or "/" in name}


def test_every_stage_reports(shop: Path, tmp_path: Path, recorder: Recorder) -> None:
    """Minutes without a sign look like a hanging process; a bar that overshoots looks broken."""
    section = {
        "teachers": [{"name": "unisrec", "finetune_epochs": 2, "hidden_size": 16}],
        "text": {"encoder": "words"},
        "run_dir": str(tmp_path / "runs"),
        "cache_dir": str(tmp_path / "cache"),
    }
    given = {"epochs": 2, "hidden_size": 16, "inner_size": 16, "gpu_id": "", "train_batch_size": 256, "ckd": section}
    entry.distill("SASRec", shop, None, given, reporter=recorder)
    assert list(recorder.tasks) == [
        "read shop",
        "fine-tune unisrec",
        "encode 60 item texts (words)",  # within it
        "cache unisrec",
        "integrate teachers (1)",
        "train SASRec, distilled",
        "test the teachers",
    ]
    for title, steps in recorder.tasks.items():
        done = [step for step, _ in steps]
        assert done == sorted(done), title
        assert done[-1] == recorder.totals[title], title
    assert any(step % 1 for step, _ in recorder.tasks["train SASRec, distilled"])


@pytest.mark.parametrize("on", [True, False])
def test_speed_settings_reach_what_they_switch(run: Run, monkeypatch: pytest.MonkeyPatch, on: bool) -> None:
    """A doubt about a number is settled by a run without speed-ups; one that is always on cannot be ruled out."""
    from ckd_plugins.training import fit

    asked: list[str] = []
    build = fit.build_trainer

    def built(*args: Any, **kwargs: Any) -> Any:
        trainer = build(*args, **kwargs)
        asked.extend(["ranking"] if trainer.ckd_quick else [])
        return trainer

    monkeypatch.setattr(fit, "build_trainer", built)
    result = run("LightGCN", ckd={"speed": {"sparse": on, "ranking": on}}, metric_decimal_place=9)
    assert asked == (["ranking"] if on else [])
    assert result["ckd"]["speed"] == (["sparse", "optimizer"] if on else ["optimizer"])
    assert len(result["test_result"]) > 0


def test_a_distilled_graph_is_the_same_with_and_without_speed(run: Run) -> None:
    """The reader works on the model that the products were put into."""
    results = [
        run("LightGCN", ["unisrec"], ckd={"speed": {"sparse": on, "ranking": on}}, metric_decimal_place=9)
        for on in (True, False)
    ]
    assert results[0]["test_result"] == pytest.approx(results[1]["test_result"], abs=1e-6)


def test_a_plugins_teacher_that_cannot_be_tested_costs_its_own_numbers_only(
    run: Run, fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After a night's training: a traceback, and the student's test metrics nowhere."""
    untestable(monkeypatch)
    result = run("SASRec", ckd={"teachers": ["last"]}, epochs=1)
    assert result["ckd"]["teachers"]["last"]["test_result"] is None
    assert any("teacher 'last' of plugin 'test-teachers' fails on the test rows" in line for line in caplog.messages)
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "result.json").read_text())["test_result"] == result["test_result"]
    assert comparison([result])[0].metrics is None


def test_a_students_numbers_are_on_disk_before_its_teachers_are_tested(
    run: Run, fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours, or Ctrl-C, at the very end took them away."""

    def breaks(*args: Any) -> Any:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(fit_module, "judge_in_slices", breaks)
    with pytest.raises(ZeroDivisionError):
        run("SASRec", ckd={"teachers": ["last"]}, epochs=1)
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "result.json").read_text())["test_result"]["ndcg@10"] >= 0
    events = [json.loads(line)["event"] for line in (folder / "events.jsonl").open()]
    assert events[-2:] == ["end", "failed"]


def test_only_recboles_word_for_it_is_a_loss_without_a_number() -> None:
    """'unknown brand Finance' told people to lower their learning rate."""

    def training(words: str) -> None:
        def fit(*args: Any, **given: Any) -> Any:
            raise ValueError(words)

        fit_module._train(
            SimpleNamespace(fit=fit), SimpleNamespace(train=None, valid=None), True, SimpleNamespace(seconds=[1.0])
        )  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="unknown brand Finance"):
        training("unknown brand Finance")
    with pytest.raises(ValueError) as caught:
        Trainer._check_nan(None, torch.tensor(torch.nan))
    with pytest.raises(StudentError, match="the loss became NaN in epoch 1; lower learning_rate"):
        training(str(caught.value))


class Fails:
    @hookimpl
    def ckd_after_epoch(self) -> None:
        logging.getLogger().warning("RecBole chatters")
        raise ConnectionError("the tracker is down")


class FailsAtTheEnd:
    @hookimpl
    def ckd_after_fit(self) -> None:
        raise ConnectionError("no disk")


def test_an_observer_that_fails_is_heard_of(shop: Path, tmp_path: Path, registry: Registry, recorder: Recorder) -> None:
    """The warning went into a log file that nobody opens, as if all had been well."""
    registry.register(Fails(), "fails")
    registry.register(FailsAtTheEnd(), "fails-late")
    given = {"epochs": 2, "gpu_id": "", "embedding_size": 8, "ckd": {"run_dir": str(tmp_path / "runs")}}
    for _ in range(2):
        recorder.lines.clear()
        entry.distill("BPR", shop, None, given, reporter=recorder)
        first, last = recorder.lines
        assert "plugin 'fails' is not called again in this run: ckd_after_epoch failed: ConnectionError" in first
        assert "plugin 'fails-late' is not called again in this run: ckd_after_fit failed" in last


def test_a_metric_that_is_not_computed_is_told_before_anything_is_trained(run: Run, tmp_path: Path) -> None:
    """After teachers that took an hour, and an epoch."""
    with pytest.raises(ConfigError, match="valid_metric is NDCG, which needs a cutoff; set valid_metric to NDCG@10"):
        run("SASRec", ["unisrec"], valid_metric="NDCG")
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "runs").exists()
