"""A Ray cluster asks a teacher: a task for each shard, and no disk that the machines share."""

from __future__ import annotations

import logging
import socket
import warnings
from collections import Counter, deque
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import numpy as np

from ckd_plugins._version import __version__
from ckd_plugins.errors import CkdError, EnvironmentProblem, SignalError
from ckd_plugins.signals.layout import cast_rows
from ckd_plugins.signals.manifest import Column
from ckd_plugins.signals.writer import Shard, StoreWriter
from ckd_plugins.training.asking.job import Job
from ckd_plugins.training.progress import Advance, Reporter

__all__ = ["RayCluster"]

_Array = np.ndarray[Any, Any]

_AHEAD = 2
"""Shards in flight for each processor: one is asked about while one travels. Bounds what the cluster holds."""
_TRIES = 3
"""How often Ray runs a task again whose machine or process was lost, and how often we give the shard to Ray."""


class RayCluster:
    """The machines of a Ray cluster.

    The teacher's folder and the instances travel once to each machine, a shard's answers come back as they are stored,
    and this process writes them. A task whose machine is lost is run on another one. Every machine needs this package,
    in the same version, and the teacher's plugin. Ray moves objects between its own processes by cloudpickle: name only
    a cluster that you trust.

    Args:
        address: the cluster's, ``"host:6379"``; by default the one that ``RAY_ADDRESS`` names or that runs here, or a
            new one on this machine.

    Raises:
        EnvironmentProblem: nobody answers at the address, or Ray is not installed or does not import.
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = address
        if address is not None:
            _check_answers(address)
        self._ray = _need_ray()

    def fill(self, job: Job, writer: StoreWriter, advance: Advance, reporter: Reporter) -> None:
        """See :meth:`ckd_plugins.training.asking.Crew.fill`."""
        connected = self._ray.is_initialized()
        if not connected:
            try:
                self._ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, ValueError) as error:
                reason = str(error).splitlines()[0]
                raise EnvironmentProblem(f"--ray {self.address or ''}: no cluster answers ({reason})") from error
        try:
            self._fill(job, writer, advance, reporter)
        finally:
            if not connected:
                self._ray.shutdown()

    def _fill(self, job: Job, writer: StoreWriter, advance: Advance, reporter: Reporter) -> None:
        ray, rows = self._ray, writer.manifest.rows
        files = {str(f.relative_to(job.folder)): f.read_bytes() for f in job.folder.rglob("*") if f.is_file()}
        common = [ray.put(_Common(__version__, job.about, job.arrays, files))]  # in a list: fetched once a process
        gpus = 1 if str(job.about["device"]).startswith("cuda") else 0
        ask = ray.remote(_ask).options(num_cpus=1, num_gpus=gpus, max_retries=_TRIES, scheduling_strategy="SPREAD")
        key, columns = uuid4().hex, writer.manifest.columns
        waiting, lost, done = deque(writer.pending()), Counter[int](), 0
        flying: dict[Any, Shard] = {}
        while waiting or flying:
            while waiting and len(flying) < _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1))):
                shard = waiting.popleft()
                flying[ask.remote(common, key, *writer.manifest.shard_range(shard.index), columns)] = shard
            (ready,), _ = ray.wait(list(flying), num_returns=1)
            shard = flying.pop(ready)
            try:
                arrays = ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, CkdError):
                    raise error.cause from None
                raise
            except ray.exceptions.RayError as error:
                lost[shard.index] += 1
                if lost[shard.index] >= _TRIES:
                    reason = str(error).strip().splitlines()[0]
                    raise SignalError(
                        f"shard {shard.index} was lost {lost[shard.index]} times on the Ray cluster ({reason}); see to "
                        "its machines and run again, what is written is kept"
                    ) from error
                reporter.say(f"shard {shard.index} was lost on the Ray cluster; it is asked again")
                waiting.appendleft(shard)
                continue
            writer.write(shard, **arrays)
            done += 1
            advance(done, f"{rows} instances, {int(ray.cluster_resources().get('CPU', 0))} processors")


@dataclass(frozen=True)
class _Common:
    """What is the same for all shards."""

    version: str
    about: dict[str, Any]
    arrays: dict[str, _Array]
    files: dict[str, bytes]
    """The teacher's folder."""


_known: dict[str, tuple[Job, TemporaryDirectory[str]]] = {}
"""This process's job, and the folder that its teacher was loaded from."""


def _ask(common: list[Any], key: str, start: int, stop: int, columns: dict[str, Column]) -> dict[str, _Array]:
    """Answer a shard in a process of the cluster, as it is stored: fp16 is half the way's bytes."""
    import ray
    import torch

    torch.set_num_threads(1)  # a task has one processor
    if key not in _known:
        given: _Common = ray.get(common[0])
        if given.version != __version__:
            raise EnvironmentProblem(
                f"a machine of the cluster has ckd-plugins {__version__}, and {given.version} asks; install that there"
            )
        folder = TemporaryDirectory(prefix="ckd-")
        for name, data in given.files.items():
            path = Path(folder.name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        _known.clear()
        _known[key] = Job.of(given.about, given.arrays, Path(folder.name)), folder
    job, _ = _known[key]
    return cast_rows(job.answers(job.rows[start:stop]), columns, stop - start, f"rows {start} to {stop}")


def _check_answers(address: str) -> None:
    """Find out whether somebody listens at an address: Ray itself tries for minutes, and prints pages.

    Raises:
        EnvironmentProblem: nobody does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():  # "auto" and "local"
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise EnvironmentProblem(
            f"--ray {address}: no cluster answers ({error}); start one with 'ray start --head', or give no address"
        ) from error


def _need_ray() -> Any:
    """Return ``ray``.

    Raises:
        EnvironmentProblem: it is not installed, or does not import.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="pkg_resources")  # Ray 2.6.3 on Python 3.11
            return import_module("ray")
    except ImportError as error:
        raise EnvironmentProblem(f"--ray needs Ray ({error}); pip install 'ckd-plugins[ray]'") from error
