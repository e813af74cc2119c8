"""Writers that are killed: what is on the disk afterwards, and what the next one makes of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import Store, StoreWriter

SCRIPT = Path(__file__).with_name("crashing_writer.py")
ROOT = SCRIPT.parents[2]


def start(mode: str, folder: Path) -> subprocess.Popen:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), mode, str(folder)], env=env, stdout=subprocess.PIPE, text=True
    )


def content(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.iterdir()}


def test_killed_at_random_moments_a_writer_goes_on_and_ends_with_the_same_bytes(tmp_path):
    """A night's caching must survive a reboot; a shard that was half written must not be taken for whole."""
    started = time.perf_counter()
    alone = start("slow", tmp_path / "alone")
    assert alone.wait() == 0
    whole = time.perf_counter() - started
    moments = random.Random(0)
    kills = 0
    for _ in range(6):
        process = start("slow", tmp_path / "killed")
        try:
            process.wait(timeout=moments.uniform(0.3, 0.7) * whole)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        if not (tmp_path / "killed").exists():
            with pytest.raises(SignalError, match=r"no store|still being written"):
                Store.open(tmp_path / "killed")
    last = start("slow", tmp_path / "killed")
    assert last.wait() == 0
    assert kills
    assert content(tmp_path / "killed") == content(tmp_path / "alone")
    Store.open(tmp_path / "killed", verify=True)


def test_killed_before_every_single_step_a_writer_goes_on(tmp_path):
    """Between any two file operations the folder must be the old store, none, or the new one, and resumable."""
    process = start("steps", tmp_path)
    told = process.communicate()[0]
    assert process.returncode == 0
    steps = json.loads(told)
    assert steps["fresh"] > 20
    assert steps["replaced"] > steps["fresh"]


def test_second_writer_is_refused_while_the_first_lives_and_takes_over_when_it_died(
    tmp_path, world, write_store, provenance
):
    """Two writers would mix two teachers in one store; a dead one's lock must not need a person to remove it."""
    path = tmp_path / "store"
    first = start("hold", path)
    assert first.stdout is not None
    assert first.stdout.readline() == "holding\n"
    with pytest.raises(SignalError, match=rf"another writer.*process {first.pid} on "):
        write_store(path, world, replace=True)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert len(Store.open(write_store(path, world, replace=True))) == 10


def test_second_writer_in_one_process_is_refused_too(tmp_path, world, provenance):
    """A lock that one process can take twice would let two threads write."""
    options = {"keys": world.keys, "items": world.items}
    with StoreWriter(tmp_path / "s", provenance, world.layout("dense"), **options):
        with pytest.raises(SignalError, match=f"process {os.getpid()} on "):
            StoreWriter(tmp_path / "s", provenance, world.layout("dense"), **options).__enter__()
        with StoreWriter(tmp_path / "another", provenance, world.layout("dense"), **options):
            pass
