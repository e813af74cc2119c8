"""RecBole models as teachers, from a config to a distilled student, on real data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.errors import TeacherError
from ckd_plugins.host.data import load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.models import build_model
from ckd_plugins.host.needs import needs
from ckd_plugins.host.settings import build_config, find_dataset
from ckd_plugins.host.trainer import build_trainer, close_trainer
from ckd_plugins.training.entry import distill
from ckd_plugins.training.sample import sample_settings

CLOSED_FORMS = ["ADMMSLIM", "AsymKNN", "EASE", "ItemKNN", "NCEPLRec", "SLIMElastic"]
TREES = {
    "LightGBM": {"lgb_num_boost_round": 20},
    "XGBoost": {"xgb_num_boost_round": 20},
}
TEACHERS = [*CLOSED_FORMS, "Pop", *TREES, "GRU4Rec", "LightGCN", "FM"]
SETTINGS = {"epochs": 2, "train_batch_size": 512, "gpu_id": ""}
SLICE = {**sample_settings("SASRec", needs("SASRec")), "hidden_size": 16, "inner_size": 16, "embedding_size": 16}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all: what a teacher is made of is in its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("recbole-teachers"))
        yield Path.cwd()


@pytest.fixture
def taught(place: Path) -> Callable[..., dict[str, Any]]:
    """``taught("BPR", "EASE")``: that student, distilled from that model."""

    def call(student: str, model: str) -> dict[str, Any]:
        options = {"model": model, "settings": {**SETTINGS, **TREES.get(model, {})}, "max_length": 10}
        ckd = {
            "teachers": [{"name": "recbole", "options": options}],
            "run_dir": str(place / "runs"),
            "cache_dir": str(place / "cache"),
        }
        return distill(student, find_dataset("ml-100k").folder, None, {**SLICE, "ckd": ckd})

    return call


def by_recbole(model: str, place: Path) -> dict[str, float]:
    """What RecBole itself measures of a model on the student's split."""
    with recbole_log(place):
        config = build_config(model, find_dataset("ml-100k"), {**SLICE, "gpu_id": ""}, place / f"stock-{model}")
        splits = load_splits(config)
        made = build_model(config, splits)
        trainer = build_trainer(config, made, place / f"stock-{model}", [])
        trainer.fit(splits.train, splits.valid, verbose=False, show_progress=False)
        found = trainer.evaluate(splits.test, show_progress=False)
        close_trainer(trainer)
    return {key: float(value) for key, value in found.items()}


@pytest.mark.parametrize("model", TEACHERS)
def test_a_student_learns_from_it_and_a_second_run_finds_it(model: str, taught: Callable[..., dict[str, Any]]) -> None:
    """A model that is refused as a student with a promise that it can be a teacher, and cannot."""
    first, second = taught("SASRec", model), taught("SASRec", model)
    assert first["ckd"]["history"][-1]["distillation_loss"] > 1e-4
    told, again = (run["ckd"]["teachers"]["recbole"] for run in (first, second))
    assert not told["reused"]
    assert again["reused"]
    assert told["parameters"] > 0
    assert set(told["test_result"]) == {"recall@10", "ndcg@10"}
    assert told["test_result"] == again["test_result"]
    assert first["test_result"] == second["test_result"]


@pytest.mark.parametrize("model", CLOSED_FORMS)
def test_it_is_the_model_that_recbole_would_make(
    model: str, place: Path, taught: Callable[..., dict[str, Any]]
) -> None:
    """A teacher trained on other rows, in another numbering, or judged on cut-off lists, under a known model's name."""
    found = taught("BPR", model)["ckd"]["teachers"]["recbole"]["test_result"]
    assert found == pytest.approx(by_recbole(model, place), abs=5e-5)


def test_a_random_ranking_is_refused(taught: Callable[..., dict[str, Any]]) -> None:
    """Students would learn noise."""
    with pytest.raises(TeacherError, match="Random cannot be a teacher: it ranks at random"):
        taught("SASRec", "Random")
