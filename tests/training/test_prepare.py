"""Teachers made ahead of any student."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.errors import ConfigError
from ckd_plugins.training.prepare import prepare_teachers

from .conftest import FAST_TEACHER, Recorder
from .fakes import untestable

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def ahead(shop: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The same section as the fixture ``run`` has."""

    def call(*names: str, **settings: Any) -> dict[str, Any]:
        section = {
            "teachers": [{"name": name, **FAST_TEACHER} for name in names],
            "text": {"encoder": "words"},
            "cache_dir": str(tmp_path / "cache"),
            "run_dir": str(tmp_path / "runs"),
        }
        reporter = settings.pop("reporter", None)
        return prepare_teachers(shop, None, {"gpu_id": "", **settings, "ckd": section}, reporter=reporter)

    return call


@pytest.mark.parametrize("model", ["SASRec", "LightGCN"])
def test_a_student_finds_them(ahead: Callable[..., Any], run: Run, model: str) -> None:
    """A teacher that is made ahead with another split, seed or hash is made in vain."""
    made = ahead("unisrec", "vqrec")
    assert {name: about["reused"] for name, about in made.items()} == {"unisrec": False, "vqrec": False}
    teachers = run(model, ["unisrec", "vqrec"])["ckd"]["teachers"]
    for name, about in made.items():
        assert teachers[name]["reused"]
        assert teachers[name]["folder"] == about["folder"]
        assert teachers[name]["store"] == about["store"]


def test_a_teacher_of_another_seed_is_another_one(ahead: Callable[..., Any], run: Run) -> None:
    """The counterpart: the cache must not answer for what was never trained."""
    ahead("unisrec", seed=7)
    assert not run("SASRec", ["unisrec"])["ckd"]["teachers"]["unisrec"]["reused"]


def test_nothing_but_the_cache_is_written(
    ahead: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no run, so there is no run's folder."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    ahead("unisrec")
    assert not (tmp_path / "runs").exists()
    assert list((tmp_path / "cwd").iterdir()) == []
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["locks", "signals", "teachers", "texts"]


def test_it_tells_what_it_did(ahead: Callable[..., Any], recorder: Recorder) -> None:
    """It is the slow part of everything: who waits wants to see it move, and what came of it."""
    about = ahead("unisrec", reporter=recorder)["unisrec"]
    assert {"fine-tune unisrec", "cache unisrec"} <= set(recorder.tasks)
    assert set(about["seconds"]) == {"finetune", "cache"}
    assert about["instances"] > 500
    assert 0 < about["test_result"]["ndcg@10"] <= 1


def test_no_teacher_is_a_mistake(ahead: Callable[..., Any], tmp_path: Path) -> None:
    """Doing nothing, successfully, would hide a misspelt config."""
    with pytest.raises(ConfigError, match="no teacher is named"):
        ahead()
    assert not (tmp_path / "cache").exists()


def test_a_teacher_that_cannot_be_tested_is_made_all_the_same(
    ahead: Callable[..., Any], fakes: None, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others after it were not made, and what it had cost was told by nobody."""
    untestable(monkeypatch)
    monkeypatch.setattr("tests.training.test_prepare.FAST_TEACHER", {})
    made = ahead("last", reporter=recorder)["last"]
    assert (made["valid_result"], made["test_result"]) == (None, None)
    for rows in ("validation", "test"):
        said = f"teacher 'last' of plugin 'test-teachers' fails on the {rows} rows, and gets no metrics of them"
        assert any(line.startswith(said) for line in recorder.lines)
