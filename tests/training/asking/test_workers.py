"""Worker processes of this machine: the same bytes as one, whatever becomes of a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.errors import ConfigError, SignalError, TeacherError
from ckd_plugins.signals import Store
from ckd_plugins.training.asking import Workers

from .conftest import Place, content


@pytest.fixture
def fill(place: Place) -> Any:
    """The plugin's ``fill``, as processes import it."""
    return import_module("teller").fill


def test_a_lost_worker_s_shard_is_asked_again_and_the_bytes_are_those_of_one_process(
    place: Place, fill: Any, recorder: Any
) -> None:
    """Rows of a killed process would read as zeros; rows under another shard's numbers teach noise."""
    one = content(fill(place("one")))
    lossy = place("two", once="die")
    assert content(fill(lossy, Workers(2), recorder)) == one
    assert recorder.lines == ["a worker process was lost (exit code -9); shard 3 is asked again"]
    asked = {file.name for file in lossy.parent.glob("asked-by-*")}
    assert len(asked) >= 2
    assert f"asked-by-{os.getpid()}" not in asked


def test_a_shard_that_ends_every_worker_is_given_up(place: Place, fill: Any) -> None:
    """Trying for ever would look like a slow teacher; what others wrote must not be lost with it."""
    folder = place("one", quirk="die")
    with pytest.raises(SignalError, match=r"shard 3 ended 3 worker processes .* run again with fewer --workers"):
        fill(folder, Workers(1))
    assert len(list((folder.parent / ".writing" / "store" / "progress").iterdir())) == 3


@pytest.mark.parametrize(
    ("quirk", "error", "message"),
    [("refuse", TeacherError, "it does not like row 100"), ("break", RuntimeError, "ZeroDivisionError: a defect")],
)
def test_a_teacher_s_error_is_told_as_here(
    place: Place, fill: Any, quirk: str, error: type[Exception], message: str
) -> None:
    """As a lost worker it would be asked three times, and its reason be gone."""
    with pytest.raises(error, match=message):
        fill(place("one", quirk=quirk), Workers(1))


def test_workers_share_the_cores(place: Place, fill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers with a thread for each core are slower than one."""
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: 6)
    torch.set_num_threads(8)
    vectors = Store.open(fill(place("one", quirk="threads"), Workers(2))).arrays()["vectors"]
    assert (np.asarray(vectors) == 3).all()


def test_workers_end_with_their_leader(place: Place) -> None:
    """The next leader gets the lock, and would meet their half-written shards."""
    folder = place("one", quirk="sleep")
    script = (
        "import sys, pathlib, teller; from ckd_plugins.training.asking import Workers\n"
        "if __name__ == '__main__': teller.fill(pathlib.Path(sys.argv[1]), Workers(1))\n"
    )
    (folder.parent / "lead.py").write_text(script)
    leader = subprocess.Popen([sys.executable, str(folder.parent / "lead.py"), str(folder)])
    mark = folder.parent / "sleeping"
    try:
        _until(lambda: mark.exists() and mark.read_text() != "")
    finally:
        leader.kill()
        leader.wait()
    worker = int(mark.read_text())
    try:
        _until(lambda: not _runs(worker))
    finally:
        if _runs(worker):
            os.kill(worker, signal.SIGKILL)


def test_none_is_refused() -> None:
    """It would wait for ever."""
    with pytest.raises(ConfigError, match="at least one"):
        Workers(0)


def _until(holds: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
