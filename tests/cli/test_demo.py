"""``ckd demo``: the whole path on bundled data."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.cli.demo import STUDENTS, TARGET
from ckd_plugins.domains.movielens import split_by_genre
from ckd_plugins.host.zoo import model_names

from .conftest import Done


@pytest.mark.parametrize(
    ("students", "message"),
    [
        ("LightGNC", "unknown demo student 'LightGNC'; did you mean 'LightGCN'? (known: DeepFM, LightGCN, SASRec)"),
        ("SASRec,BPR", "unknown demo student 'BPR'"),
        (" , ", "--students names none; choose from SASRec, LightGCN, DeepFM"),
    ],
)
def test_a_wrong_student_is_told_before_anything_runs(
    ckd: Callable[..., Done], tmp_path: Path, students: str, message: str
) -> None:
    """The second name would fail after minutes with the first; none at all, in the report."""
    done = ckd("demo", "--students", students)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"ckd: error: {message}")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "cache").exists()
    assert list(Path.cwd().iterdir()) == []


def test_an_unknown_option_is_no_demo(ckd: Callable[..., Done]) -> None:
    """Minutes of work that nobody asked for."""
    done = ckd("demo", "--student", "SASRec")
    assert done.status == 2
    assert "No such option" in done.err


def test_its_students_are_recboles() -> None:
    """A model that a new RecBole renames would be found out by somebody's first try."""
    assert set(STUDENTS) <= set(model_names())


def test_an_unwritable_folder_is_told_before_anything_runs(ckd: Callable[..., Done], tmp_path: Path) -> None:
    """The report comes last, after minutes."""
    (tmp_path / "file").write_text("")
    done = ckd("demo", "--out", tmp_path / "file")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("ckd: error: report '")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def test_a_demo_in_small(ckd: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow test below is not part of every run; a demo that breaks would be seen by its first user."""
    small = {"finetune_epochs": 1, "pretrain_epochs": 1, "hidden_size": 16, "max_length": 20}
    module = import_module("ckd_plugins.cli.demo")
    monkeypatch.setattr(module, "TEACHERS", tuple({**teacher, **small} for teacher in module.TEACHERS))
    monkeypatch.setattr(module, "STUDENTS", {"LightGCN": {**STUDENTS["LightGCN"], "epochs": 2}})

    def two_of(*args: Any) -> dict[str, Path]:
        found = split_by_genre(*args)  # a language model reads the films of each
        return {name: found[name] for name in (TARGET, "thriller")}

    monkeypatch.setattr("ckd_plugins.domains.movielens.split_by_genre", two_of)
    outputs = []
    for number in (1, 2):
        done = ckd("demo", "--students", "LightGCN", "--out", tmp_path / f"out{number}")
        assert done.status == 0, done.err
        rows = [line.split()[:2] for line in done.out.splitlines()[1:5]]
        assert rows == [["teacher", "unisrec"], ["teacher", "vqrec"], ["plain", "LightGCN"], ["distilled", "LightGCN"]]
        assert "<svg" in (tmp_path / f"out{number}" / "report.html").read_text(encoding="utf-8")
        outputs.append(done.out)
    assert "reused" not in outputs[0]
    assert "All teachers and their knowledge were reused from the cache." in outputs[1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_demo_teaches_a_student_and_the_second_one_reuses_its_teachers(tmp_path: Path) -> None:
    """The first command that anybody types, from an empty cache to the report."""
    home = tmp_path / "home"
    home.mkdir()
    env = {
        **os.environ,
        "CKD_CACHE": str(tmp_path / "cache"),
        "CKD_NO_PLUGINS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    seconds, outputs = [], []
    for number in (1, 2):
        command = [sys.executable, "-m", "ckd_plugins", "demo", "--students", "LightGCN", "--out", f"out{number}"]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, check=False)
        seconds.append(time.perf_counter() - started)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        outputs.append(done.stdout)
        kinds = [line.split()[:2] for line in done.stdout.splitlines()[1:5]]
        assert kinds == [["teacher", "unisrec"], ["teacher", "vqrec"], ["plain", "LightGCN"], ["distilled", "LightGCN"]]
        page = (home / f"out{number}" / "report.html").read_text(encoding="utf-8")
        assert page.count("<svg") == 3
        assert len([p for p in (home / f"out{number}").iterdir() if p.is_dir()]) == 2
    assert sorted(p.name for p in home.iterdir()) == ["out1", "out2"]
    assert "reused" not in outputs[0]
    assert "All teachers and their knowledge were reused from the cache." in outputs[1]
    metrics = [[line.split()[2:4] for line in out.splitlines()[1:5]] for out in outputs]
    assert metrics[0] == metrics[1], "the same seeds, the same numbers"
    # Random ranking of 346 films has an NDCG@10 of 0.013. Whether distillation gains is for many seeds to say.
    assert all(float(ndcg) > 0.08 for _, ndcg in metrics[0])
    assert seconds[1] < seconds[0] / 2
