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


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> tuple[dict[str, bytes], float]:
    """What a writer that nobody kills ends with, and its seconds."""
    started, path = time.perf_counter(), tmp_path_factory.mktemp("alone") / "store"
    assert start("slow", path).wait() == 0
    return content(path), time.perf_counter() - started


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments_a_writer_goes_on_and_ends_with_the_same_bytes(tmp_path, alone, seed):
    """A night's caching must survive a reboot; a shard that was half written must not be taken for whole."""
    reference, whole = alone
    moments = random.Random(seed)
    kills = 0
    for _ in range(5):
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
    assert content(tmp_path / "killed") == reference
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


def test_second_writer_that_waits_finds_what_the_first_made(tmp_path):
    """Two runs that start together on one teacher: the later must neither fail nor write into the earlier's shards."""
    path = tmp_path / "store"
    writers = [start("waiting", path) for _ in range(2)]
    told = sorted(json.loads(writer.communicate(timeout=30)[0])["wrote"] for writer in writers)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert told == [0, 40]
    Store.open(path, verify=True)


def test_a_waiting_writer_goes_on_where_the_first_was_killed(tmp_path):
    """The second must not begin anew, and must not wait for a process that has died."""
    path = tmp_path / "store"
    first = start("slow", path)
    progress = path.parent / ".writing" / "store" / "progress"
    while not list(progress.glob("*.json")):
        time.sleep(0.005)
    second = start("waiting", path)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert 0 < json.loads(second.communicate(timeout=30)[0])["wrote"] < 40
    Store.open(path, verify=True)


def test_a_reader_sees_whole_stores_only_while_writers_replace_them(tmp_path):
    """The manifest of one teacher over the vectors of another would teach noise that passes for knowledge."""
    path = tmp_path / "store"
    writing = start("churn", path)
    seen: set[str] = set()
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until and len(seen) < 4:
            try:
                store = Store.open(path, verify=True)
            except SignalError as error:
                assert "no store" in str(error) or "still being written" in str(error)  # noqa: PT017
                continue
            vectors = store._arrays["vectors"]
            weights = store.manifest.provenance.weights_hash
            assert bool((vectors == float(weights)).all())
            seen.add(weights)
        assert writing.poll() is None
    finally:
        writing.send_signal(signal.SIGKILL)
        writing.wait()
    assert len(seen) == 4


def test_second_writer_in_one_process_is_refused_too(tmp_path, world, provenance):
    """A lock that one process can take twice would let two threads write."""
    options = {"keys": world.keys, "items": world.items}
    with StoreWriter(tmp_path / "s", provenance, world.layout("dense"), **options):
        with pytest.raises(SignalError, match=f"process {os.getpid()} on "):
            StoreWriter(tmp_path / "s", provenance, world.layout("dense"), **options).__enter__()
        with StoreWriter(tmp_path / "another", provenance, world.layout("dense"), **options):
            pass
