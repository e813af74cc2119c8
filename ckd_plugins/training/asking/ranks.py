"""The processes that ``torchrun`` started ask a teacher: the first one leads, the others serve."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.writer import StoreWriter
from ckd_plugins.training.asking.crew import threads_of_each
from ckd_plugins.training.asking.job import Job
from ckd_plugins.training.asking.workers import write_answers
from ckd_plugins.training.progress import Advance, Reporter

__all__ = ["Ranks"]

_PAUSE = 0.05
"""Seconds between two looks."""
_LEAVING = 30.0
"""Seconds that the leader waits for the others to see that there is nothing more to do."""


class Ranks:
    """The processes of ``torchrun``.

    Rank 0 does all that one process does; the others wait until there is a teacher to ask. Shards are taken by
    counting, and written by whoever took them into the growing store, so all ranks must see one cache folder. When
    a rank is lost, ``torchrun`` ends the others, and starts all anew if it has ``--max-restarts``; what was written is
    kept, and the lost shard is asked again.

    Use as a context manager on rank 0; leaving it lets the others go.
    """

    def __init__(self) -> None:
        self.rank = int(os.environ["RANK"])
        self.size = int(os.environ["WORLD_SIZE"])
        self._here = int(os.environ.get("LOCAL_WORLD_SIZE", self.size))
        self._number = int(os.environ.get("LOCAL_RANK", self.rank))
        self._jobs = itertools.count()
        self._store: Any = None

    @staticmethod
    def given() -> bool:
        """Whether this process is one of several that ``torchrun`` started."""
        needed = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        return all(os.environ.get(name) for name in needed) and int(os.environ["WORLD_SIZE"]) > 1

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.set(f"job/{next(self._jobs)}", "")
        end = time.monotonic() + _LEAVING  # the store may be ours, and goes with us
        while self._store.add("left", 0) < self.size - 1 and time.monotonic() < end:
            time.sleep(_PAUSE)

    def fill(self, job: Job, writer: StoreWriter, advance: Advance, reporter: Reporter) -> None:
        """See :meth:`ckd_plugins.training.asking.Crew.fill`; for rank 0."""
        shards = [shard.index for shard in writer.pending()]
        job.save(writer.working / "job")
        number = next(self._jobs)
        self._store.set(f"job/{number}", json.dumps({"working": str(writer.working), "shards": shards}))

        def told() -> int:
            left = sum(1 for _ in writer.pending())
            advance(len(shards) - left, f"{writer.manifest.rows} instances, {self.size} processes")
            return left

        for shard in self._taken(number, shards):
            write_answers(job, writer.working, shard)
            told()
        while told():  # a rank that is lost ends us: torchrun sees to that
            time.sleep(_PAUSE)

    def serve(self) -> None:
        """Ask what rank 0 wants asked, until it says that this is all; for the other ranks.

        Raises:
            SignalError: rank 0 is gone, or its cache folder cannot be seen from here.
            CkdError: the teacher cannot be asked.
        """
        self._connect()
        for number in self._jobs:
            told = self._wait(f"job/{number}")
            if not told:
                self._store.add("left", 1)
                return
            about = json.loads(told)
            working = Path(about["working"])
            job: Job | None = None
            for shard in self._taken(number, about["shards"]):
                # Read once there is a shard of ours: until it is written, rank 0 does not clear the folder away.
                job = job or Job.read(working / "job", self._number)
                write_answers(job, working, shard)

    def _taken(self, number: int, shards: list[int]) -> Iterator[int]:
        """Take shards until none is left; each goes to one rank."""
        while (at := self._store.add(f"next/{number}", 1) - 1) < len(shards):
            yield shards[at]

    def _connect(self) -> None:
        import torch
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        torch.set_num_threads(threads_of_each(self._here))
        store = next(iter(rendezvous("env://")))[0]
        # The store may outlive its ranks: with their keys, those that are started anew would take up old counts.
        start = [os.environ.get(f"TORCHELASTIC_{name}", "") for name in ("RUN_ID", "RESTART_COUNT")]
        self._store = PrefixStore("/".join(["ckd", *start]), store)

    def _wait(self, key: str) -> str:
        try:
            while not self._store.check([key]):
                time.sleep(_PAUSE)
            value: bytes = self._store.get(key)
        except RuntimeError as error:
            raise SignalError(f"rank {self.rank}: rank 0 is gone ({str(error).splitlines()[0]}); run again") from error
        return value.decode()
