"""A writer to kill. Run as a script: ``crashing_writer.py MODE FOLDER``; imports no torch, so that it starts fast.

- ``slow``: write a store with a pause at each shard, for a killer that comes at a random moment.
- ``hold``: take the lock, say so, and wait.
- ``waiting``: wait for other writers of the store, write what is left, and say how many shards that were.
- ``churn``: replace the store by another one, again and again; its vectors hold the number of the store.
- ``steps``: for every n, fork a writer that dies at its n-th file operation, look at what a reader would see, resume
  it, and compare the bytes with those of a writer that was left alone. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ckd_plugins.signals import Layout, Provenance, StoreWriter

PROVENANCE = Provenance(
    teacher="t",
    dataset="d",
    weights_hash="w",
    data_hash="d",
    split_hash="s",
    text_hash="",
    max_length=50,
    temperature=1.0,
)


def writer(path: Path, shards: int = 40, weights: str = "w", **options) -> StoreWriter:
    rng = np.random.default_rng(0)
    keys = rng.integers(1, 2**63, 50 * shards, dtype=np.uint64)
    items = [f"i{n}" for n in range(20)]
    layout = Layout.factors(rng.standard_normal((20, 8)))
    source = Provenance(**{**vars(PROVENANCE), "weights_hash": weights})
    return StoreWriter(path, source, layout, keys=keys, items=items, shard_size=50, created="2026", **options)


def write(path: Path, pause: float = 0.0, **options) -> int:
    wrote = 0
    with writer(path, **options) as w:
        for shard in w.pending():
            time.sleep(pause)
            w.write(shard, vectors=np.sin(shard.rows[:, None] + np.arange(8)))
            wrote += 1
    return wrote


def churn(path: Path) -> None:
    for number in range(1, 2048):  # fp16 has these exactly
        with writer(path, shards=4, weights=str(number), replace=True) as w:
            for shard in w.pending():
                w.write(shard, vectors=np.full((len(shard.rows), 8), number))


def content(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def die_at(n: int) -> None:
    """Make this process kill itself just before its n-th operation that changes what is on the disk."""
    count = 0

    def counted(function: Callable) -> Callable:
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    os.fsync = counted(os.fsync)
    for name in ("replace", "rename", "unlink", "mkdir", "rmdir"):
        setattr(Path, name, counted(getattr(Path, name)))
    os.unlink, os.rmdir = counted(os.unlink), counted(os.rmdir)  # what shutil.rmtree calls


def forked(function: Callable[[], None]) -> bool:
    """Run in a child; return whether it lived to its end."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("the writer failed, and was not killed")
    return not os.WIFSIGNALED(status)


def steps(folder: Path) -> None:
    """Every crash point of a fresh writer, and of one that replaces a store."""
    os.fsync = lambda handle: None  # slow, and it guards against a power cut only; it still counts as a step
    write(folder / "reference", shards=2)
    write(folder / "old", shards=2, weights="old")
    reference = content(folder / "reference")
    told = {"fresh": 0, "replaced": 0}
    for case in told:
        for n in range(1, 500):
            shutil.rmtree(folder / "work", ignore_errors=True)
            path = folder / "work" / "store"
            path.parent.mkdir()
            before = {}
            if case == "replaced":
                shutil.copytree(folder / "old", path)
                before = content(path)

            def killed(n: int = n, path: Path = path) -> None:
                die_at(n)
                write(path, shards=2, replace=True)

            lived = forked(killed)
            seen = content(path) if path.exists() else {}
            assert seen in ({}, before, reference), f"{case}: half a store after step {n}"
            write(path, shards=2, replace=True)
            assert content(path) == reference, f"{case}: other bytes after a kill at step {n}"
            left = sorted(p.name for p in (path.parent / ".writing").iterdir())
            assert left == ["store.lock"], f"{case}: {left} left behind after a kill at step {n}"
            if lived:
                break
            told[case] = n
    print(json.dumps(told))


if __name__ == "__main__":
    mode, folder = sys.argv[1], Path(sys.argv[2])
    if mode == "slow":
        write(folder, pause=0.004)
    elif mode == "hold":
        with writer(folder):
            print("holding", flush=True)
            time.sleep(60)
    elif mode == "waiting":
        print(json.dumps({"wrote": write(folder, pause=0.004, wait=True)}))
    elif mode == "churn":
        churn(folder)
    else:
        steps(folder)
