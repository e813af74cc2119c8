"""The interface of those who ask a teacher, and the one that is this process alone."""

from __future__ import annotations

import os
from typing import Protocol

from ckd_plugins.signals.writer import StoreWriter
from ckd_plugins.training.asking.job import Job
from ckd_plugins.training.progress import Advance, Reporter

__all__ = ["Crew", "ThisProcess", "threads_of_each"]


class Crew(Protocol):
    """Those who ask a teacher.

    One process holds the writer's lock and publishes. The bytes of the store do not depend on who asked.
    """

    def fill(self, job: Job, writer: StoreWriter, advance: Advance, reporter: Reporter) -> None:
        """Write every shard that a store lacks.

        Args:
            job: the teacher and its instances.
            writer: the store's, entered.
            advance: is told how many shards are done.
            reporter: is told what went wrong and was mended.

        Raises:
            CkdError: the teacher cannot be asked, or nobody is left to ask it.
        """


class ThisProcess:
    """One shard after the other."""

    def fill(self, job: Job, writer: StoreWriter, advance: Advance, reporter: Reporter) -> None:
        """See :meth:`Crew.fill`."""
        for done, shard in enumerate(writer.pending(), start=1):
            writer.write(shard, **job.answers(shard.rows))
            advance(done, f"{writer.manifest.rows} instances")


def threads_of_each(processes: int) -> int:
    """How many threads each of a machine's processes may have, so that together they have no more than its cores.

    Never more than this process has: ``OMP_NUM_THREADS`` holds for each of them.
    """
    import torch

    # What a container or a scheduler allows, where the system tells it.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), cores // processes))
