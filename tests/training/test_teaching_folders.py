"""A teacher's folder: never half a teacher, whoever is killed, and never the same work at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ckd_plugins.errors import TeacherError

from .conftest import Recorder
from .fakes import Killed, LastItem, Teach


def cached(tmp_path: Path) -> list[str]:
    return [p.name for p in (tmp_path / "cache" / "teachers").glob("[!.]*")]


@pytest.mark.parametrize("swept", [True, False], ids=["interrupted", "killed"])
def test_a_killed_save_leaves_nothing_that_looks_like_a_teacher(
    ask: Teach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swept: bool
) -> None:
    """The next run would load half a teacher. A killed process sweeps nothing up."""
    with monkeypatch.context() as patch:
        if not swept:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            ask("killed")
    assert cached(tmp_path) == []
    assert bool(list((tmp_path / "cache" / "teachers").iterdir())) is not swept
    monkeypatch.setattr(Killed, "alive", True)
    again = ask("killed")
    assert LastItem.calls["finetune"] == 2
    assert cached(tmp_path) == [again.folder.name]


def test_a_save_that_writes_nothing_is_told(ask: Teach, tmp_path: Path) -> None:
    """Without config.json the teacher would be trained again in every run, and nobody would know why."""
    with pytest.raises(TeacherError, match=r"Forgetful\.save wrote no config\.json; see the Teacher interface"):
        ask("forgetful")
    assert list((tmp_path / "cache" / "teachers").iterdir()) == []


def test_a_faster_process_with_the_same_teacher_is_no_error(ask: Teach, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two students that start at once train the same teacher; the slower one must not fail at its end."""
    stock = LastItem.save

    def save(self: LastItem, folder: str | Path) -> None:
        stock(self, folder)
        target = Path(folder).parent / Path(folder).name[1:].rpartition(".")[0]
        stock(self, target)  # the other process is done at this moment

    monkeypatch.setattr(LastItem, "save", save)
    taught = ask("last")
    assert [p.name for p in taught.folder.parent.iterdir()] == [taught.folder.name]


def test_a_second_process_waits_and_finds_the_teacher(ask: Teach, tmp_path: Path, recorder: Recorder) -> None:
    """Two studies started together would train every teacher twice, or end with a lock error after minutes."""
    import threading

    from ckd_plugins.training.teaching.folders import alone

    first = ask("last")
    entered = threading.Event()
    order: list[str] = []

    def hold() -> None:
        with alone(tmp_path / "cache" / "locks" / f"{first.folder.name}.lock", "last", recorder):
            entered.set()
            order.append("first")
            threading.Event().wait(0.5)
            order.append("first done")

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(5)
    again = ask("last")
    order.append("second")
    thread.join()
    assert again.reused
    assert order == ["first", "first done", "second"]
    assert any("waiting" in line for line in recorder.lines)
