"""Several processes of this machine ask a teacher, each a shard at a time; a lost one's shard is asked again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import Counter, deque
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import ckd_plugins.errors
from ckd_plugins.errors import CkdError, ConfigError, SignalError
from ckd_plugins.signals.manifest import Manifest
from ckd_plugins.signals.writer import StoreWriter, write_shard
from ckd_plugins.training.asking.crew import threads_of_each
from ckd_plugins.training.asking.job import Job
from ckd_plugins.training.progress import Advance, Reporter

__all__ = ["Workers"]

_TRIES = 3
"""Processes that one shard may cost before it is given up: it is then the shard that ends them."""


@dataclass
class _Worker:
    """A process, and the shard that it is at."""

    process: BaseProcess
    shard: int | None = None


class Workers:
    """Worker processes on this machine.

    Each loads the teacher from its folder and writes whole shards into the growing store; this process hands them out
    and publishes. A worker that is lost (killed, out of memory) is replaced.

    Args:
        count: how many.

    Raises:
        ConfigError: fewer than one.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ConfigError(f"--workers {count}: at least one is needed")
        self.count = count

    def fill(self, job: Job, writer: StoreWriter, advance: Advance, reporter: Reporter) -> None:
        """See :meth:`ckd_plugins.training.asking.Crew.fill`."""
        waiting = deque(shard.index for shard in writer.pending())
        total, lost = len(waiting), Counter[int]()
        folder = writer.working / "job"
        job.save(folder)
        workers: dict[Connection, _Worker] = {}
        threads = threads_of_each(max(1, min(self.count, total)))
        try:
            while waiting or any(w.shard is not None for w in workers.values()):
                while len(workers) < min(self.count, len(waiting) + _busy(workers)):
                    connection, worker = _start(folder, writer.working, threads, len(workers))
                    workers[connection] = worker
                for connection, worker in workers.items():
                    if worker.shard is None and waiting:
                        worker.shard = waiting.popleft()
                        connection.send(worker.shard)
                for ready in wait([c for c, w in workers.items() if w.shard is not None]):
                    connection = next(c for c in workers if c is ready)
                    shard = workers[connection].shard
                    assert shard is not None
                    try:
                        refused = connection.recv()
                    except (EOFError, ConnectionError):
                        waiting.appendleft(shard)
                        lost[shard] += 1
                        _mourn(workers.pop(connection), shard, lost[shard], reporter)
                        continue
                    if refused is not None:
                        raise _error(*refused)
                    workers[connection].shard = None
                    done = total - len(waiting) - _busy(workers)
                    advance(done, f"{writer.manifest.rows} instances, {len(workers)} processes")
        finally:
            for connection, worker in workers.items():
                worker.process.kill()
                worker.process.join()
                connection.close()


def _busy(workers: dict[Connection, _Worker]) -> int:
    return sum(worker.shard is not None for worker in workers.values())


def _start(folder: Path, working: Path, threads: int, number: int) -> tuple[Connection, _Worker]:
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, folder, working, threads, number), daemon=True)
    process.start()
    theirs.close()  # so that the pipe ends with the worker
    return ours, _Worker(process)


def _mourn(worker: _Worker, shard: int, times: int, reporter: Reporter) -> None:
    """Say that a worker is lost.

    Raises:
        SignalError: its shard has cost too many.
    """
    worker.process.join()
    code = worker.process.exitcode
    if times >= _TRIES:
        raise SignalError(
            f"shard {shard} ended {times} worker processes (the last with exit code {code}; -9 is often a lack of "
            "memory); run again with fewer --workers, what is written is kept"
        )
    reporter.say(f"a worker process was lost (exit code {code}); shard {shard} is asked again")


def _error(kind: str, text: str) -> Exception:
    """A worker's error as one of ours; a defect keeps its traceback as text."""
    cls = getattr(ckd_plugins.errors, kind, None) if kind in ckd_plugins.errors.__all__ else None
    if cls is None or not issubclass(cls, CkdError):
        return RuntimeError(f"a worker process failed:\n{text}")
    return SignalError(text) if cls is ckd_plugins.errors.UnknownNameError else cls(text)


def _work(requests: Connection, folder: Path, working: Path, threads: int, number: int) -> None:
    """Answer shard by shard until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; who started us decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    job: Job | None = None
    while True:
        try:
            shard: int = requests.recv()
        except (EOFError, ConnectionError):
            return
        try:
            job = job or Job.read(folder, number)
            write_answers(job, working, shard)
            refused = None
        except CkdError as error:
            refused = type(error).__name__, str(error)
        except Exception:
            refused = "", traceback.format_exc()
        requests.send(refused)


def write_answers(job: Job, working: Path, shard: int) -> None:
    """Ask about one shard of the store that grows in a folder, and write it there."""
    manifest = Manifest.from_json((working / "plan.json").read_bytes(), str(working))
    start, stop = manifest.shard_range(shard)
    write_shard(working, manifest, shard, job.answers(job.rows[start:stop]))


def _end_with_parent() -> None:
    """End this process at once when the one that holds the lock is gone: its successor writes the same files."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
