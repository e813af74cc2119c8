"""The edges of an epoch, and what plugins see of them."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins import hookimpl
from ckd_plugins.config import CkdConfig
from ckd_plugins.registry import Registry
from ckd_plugins.training.run import Run
from ckd_plugins.training.watching import Watcher


class Epochs:
    """A sampler, an objective and a handle in one."""

    competence = 0.25

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def __len__(self) -> int:
        return 12

    def pop_terms(self) -> dict[str, float]:
        return {"loss": 3.0, "own_loss": 1.0}

    def pop_seconds(self) -> float:
        return 0.2

    def settings(self) -> dict[str, float]:
        return {"schedule/weight": 2.0}


class Steps:
    def __init__(self) -> None:
        self.seen: list[tuple[float, str]] = []

    def __call__(self, done: float, note: str) -> None:
        self.seen.append((done, note))


@pytest.fixture
def made(tmp_path: Path, registry: Registry) -> Callable[..., tuple[Watcher, Steps]]:
    def make(handle: Any = None, sampler: Any = None, objective: Any = None) -> tuple[Watcher, Steps]:
        steps = Steps()
        run = Run(tmp_path, "BPR", "shop", CkdConfig(), {})
        return Watcher(run, registry, handle, sampler, objective, steps), steps

    return make


def test_order_and_candidates_are_told_the_epoch(made: Any) -> None:
    """RecBole iterates some loaders several times an epoch: what counts for itself runs ahead."""
    sampler, objective = Epochs(), Epochs()
    watcher, _ = made(None, sampler, objective)
    for epoch in (0, 1):
        watcher.before_epoch(epoch, range(4))
    assert sampler.epochs == objective.epochs == [0, 1]


def test_progress_never_leaves_its_epoch(made: Any) -> None:
    """A loader that is iterated twice would show 130 %."""
    watcher, steps = made()
    watcher.before_epoch(2, range(4))
    for _ in range(6):
        watcher.after_batch()
    assert [done for done, _ in steps.seen] == [2.25, 2.5, 2.75, 3, 3, 3]
    watcher.after_epoch(2, 0.1, 4.0)
    assert steps.seen[-1][0] == 3


def test_a_loader_of_unknown_length_divides_by_nothing(made: Any) -> None:
    """An empty loader is RecBole's business; the progress bar must not raise before it does."""
    watcher, steps = made()
    watcher.before_epoch(0, [])
    watcher.after_batch()
    assert steps.seen == [(1.0, "")]


def test_terms_of_a_distilled_epoch(made: Any, tmp_path: Path) -> None:
    """What is not in the log cannot be drawn in the report."""
    both = Epochs()
    watcher, _ = made(both, both, both)
    written: list[tuple[dict[str, float], int]] = []
    watcher.write = lambda terms, epoch: written.append((dict(terms), epoch))
    watcher.before_epoch(0, range(4))
    watcher.after_epoch(0, 0.5, 20.0)
    expected = {
        "epoch": 0,
        "loss": 3.0,
        "own_loss": 1.0,
        "distillation_loss": 0.0,
        "train_loss": 20.0,
        "seconds": 0.5,
        "step_seconds": 0.125,
        "distillation_seconds": 0.05,
        "schedule/weight": 2.0,
        "competence": 0.25,
        "rows": 12.0,
    }
    assert watcher.history == [expected]
    assert watcher.seconds == [0.5]
    logged = json.loads((tmp_path / "events.jsonl").read_text())
    assert {name: logged[name] for name in expected} == expected
    assert [({"epoch": epoch, **terms}, epoch) for terms, epoch in written] == [(expected, 0)]


def test_a_plain_epochs_loss_is_a_mean_too(made: Any) -> None:
    """RecBole reports the sum over batches; beside a distilled run's mean it would look many times worse."""
    watcher, _ = made()
    watcher.before_epoch(0, range(4))
    watcher.after_epoch(0, 0.5, 20.0)
    assert watcher.history == [{"epoch": 0, "loss": 5.0, "train_loss": 20.0, "seconds": 0.5, "step_seconds": 0.125}]


def test_a_validation_belongs_to_its_epoch(made: Any, tmp_path: Path) -> None:
    """With eval_step 2 only some epochs have a score; shifted ones would draw another curve."""
    watcher, steps = made()
    for epoch in range(4):
        watcher.before_epoch(epoch, range(1))
        watcher.after_epoch(epoch, 0.1, 1.0)
        if epoch % 2:
            watcher.after_validation(epoch, 0.1 * epoch, {"ndcg@10": 0.1 * epoch})
    assert [entry.get("valid_score") for entry in watcher.history] == [None, 0.1, None, pytest.approx(0.3)]
    assert steps.seen[-1] == (4, "valid 0.3000")
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").open()]
    assert [e["epoch"] for e in events if e["event"] == "validation"] == [1, 3]


@pytest.mark.parametrize(("better", "best"), [(max, 0.5), (min, 0.2)])
def test_the_best_validation_is_told_beside_the_last(made: Any, better: Any, best: float) -> None:
    """The weights that are tested are the best ones'; the last line said the score of others."""
    watcher, steps = made()
    watcher.better = better
    for epoch, score in enumerate((0.3, 0.5, 0.2, 0.4)):
        watcher.before_epoch(epoch, range(1))
        watcher.after_epoch(epoch, 0.1, 1.0)
        watcher.after_validation(epoch, score, {"ndcg@10": score})
    assert steps.seen[-1] == (4, f"valid 0.4000, best {best:.4f}")


class Observer:
    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    @hookimpl
    def ckd_before_fit(self, run: Run) -> None:
        self.calls.append(("before_fit", {"run": run, "folder": run.directory.is_dir()}))

    @hookimpl
    def ckd_after_epoch(self, run: Run, epoch: int, terms: dict[str, float]) -> None:
        self.calls.append(("after_epoch", {"run": run, "epoch": epoch, "terms": dict(terms)}))
        terms.clear()  # what a plugin does to its arguments is its own affair

    @hookimpl
    def ckd_after_fit(self, run: Run, result: dict[str, Any]) -> None:
        saved = json.loads((run.directory / "result.json").read_text())
        self.calls.append(("after_fit", {"run": run, "result": result, "saved": saved}))


def test_observers_see_the_run_as_documented(run: Callable[..., Any], registry: Registry) -> None:
    """Trackers (MLflow, W&B) hang on these three calls and their arguments."""
    observer = Observer()
    registry.register(observer, "observer")
    result = run("SASRec", ["unisrec"])
    assert [name for name, _ in observer.calls] == ["before_fit", "after_epoch", "after_epoch", "after_fit"]
    (_, before), (_, first), (_, second), (_, after) = observer.calls
    seen = before["run"]
    assert before["folder"]
    assert (seen.model, seen.dataset, seen.teachers) == ("SASRec", "shop", ["unisrec"])
    assert (str(seen.directory), seen.reader) == (result["ckd"]["run_dir"], result["ckd"]["reader"])
    assert seen.settings["epochs"] == 2
    assert all(call["run"] is seen for call in (first, second, after))
    assert [first["epoch"], second["epoch"]] == [0, 1]
    names = {"loss", "own_loss", "distillation_loss", "train_loss", "seconds", "weight/unisrec", "rows", "competence"}
    assert names <= set(first["terms"])
    assert all(type(v) is float and math.isfinite(v) for v in first["terms"].values())
    assert after["result"] == result
    assert after["saved"]["test_result"] == result["test_result"]
    assert result["ckd"]["history"][0]["loss"] == first["terms"]["loss"]


class Raises:
    def __init__(self) -> None:
        self.calls: list[str] = []

    @hookimpl
    def ckd_before_fit(self) -> None:
        self.calls.append("before_fit")

    @hookimpl
    def ckd_after_epoch(self) -> None:
        self.calls.append("after_epoch")
        raise ConnectionError("the tracker is down")

    @hookimpl
    def ckd_after_fit(self) -> None:
        self.calls.append("after_fit")


def test_a_raising_observer_does_not_stop_the_run(
    run: Callable[..., Any], registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """A tracker's server that is down for a minute must not cost a night's training."""
    broken, sound = Raises(), Observer()
    registry.register(sound, "sound")
    registry.register(broken, "broken")
    with caplog.at_level(logging.WARNING, logger="ckd_plugins"):
        first, second = run("BPR"), run("BPR")
    assert first["test_result"] == second["test_result"]
    assert len(first["ckd"]["history"]) == 2
    assert broken.calls == ["before_fit", "after_epoch"] * 2
    assert len(sound.calls) == 8
    warnings = [r.getMessage() for r in caplog.records if r.name == "ckd_plugins"]
    assert len(warnings) == 2, "once a run"
    for warning in warnings:
        assert "broken" in warning
        assert "the tracker is down" in warning


class Meddles:
    @hookimpl
    def ckd_before_fit(self) -> None:
        torch.manual_seed(0)

    @hookimpl
    def ckd_after_epoch(self) -> None:
        torch.manual_seed(0)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)

    @hookimpl
    def ckd_after_fit(self, result: dict[str, Any]) -> None:
        result["ckd"]["history"].clear()
        del result["ckd"], result["test_result"]


def test_an_observer_does_not_change_the_run(run: Callable[..., Any], registry: Registry) -> None:
    """Seeding made it another run without a word, gradients off ended it, and a study fell over the result."""
    plain = run("SASRec")
    registry.register(Meddles(), "meddles")
    watched = run("SASRec")
    assert watched["test_result"] == plain["test_result"]
    assert [e["loss"] for e in watched["ckd"]["history"]] == [e["loss"] for e in plain["ckd"]["history"]]
