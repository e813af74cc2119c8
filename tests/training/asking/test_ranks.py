"""Processes that torchrun started, one of which is killed."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from ckd_plugins.errors import SignalError
from ckd_plugins.training.asking import Job, Ranks

from .conftest import TELLER, Place, content


def test_a_killed_rank_costs_a_restart_and_no_byte(place: Place) -> None:
    """A shard that a lost rank had taken would be missing, or be waited for, for ever."""
    one = content(import_module("teller").fill(place("one")))
    folder = place("two", once="die")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, "--max-restarts", "1", str(TELLER), str(folder)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert (folder.parent / "once").exists()
    assert content(folder.parent / "store") == one


def test_one_process_alone_is_no_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that sets RANK for each of its jobs would have them wait for one another."""
    for name, value in {"RANK": "0", "MASTER_ADDR": "here", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    for size, expected in (("1", False), ("2", True)):
        monkeypatch.setenv("WORLD_SIZE", size)
        assert Ranks.given() is expected


def test_a_machine_that_does_not_see_the_cache_is_told_so(place: Place) -> None:
    """FileNotFoundError would not say that a folder has to be shared."""
    with pytest.raises(SignalError, match=r"does not see .* one cache folder .* or use --ray"):
        Job.read(place("one") / "elsewhere")
