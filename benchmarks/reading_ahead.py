"""Would a thread that fetches the next batch's vectors help? What it could hide, and what it does."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from made_teachers import Student
from speed import COMMON, SASREC
from torch import Tensor

from ckd_plugins.host.data import ROW_FIELD
from ckd_plugins.signals import FactorSignal, Store


class Ahead:
    """A loader that is a batch ahead of the student; a thread gathers that batch's vectors meanwhile."""

    def __init__(self, loader: Any, signals: list[FactorSignal]) -> None:
        self._loader, self._pool = loader, ThreadPoolExecutor(1)
        self._waiting: list[tuple[Tensor, list[Future[Tensor]]]] = []
        self.hits = 0
        self._plain = [signal._gather for signal in signals]
        for k, signal in enumerate(signals):
            signal._gather = self._taker(k)  # type: ignore[method-assign]

    def _taker(self, k: int) -> Any:
        def take(rows: Tensor, device: torch.device) -> Tensor:
            fetched, futures = self._waiting[0]
            if torch.equal(fetched, rows):
                self.hits += 1
                return futures[k].result()
            return self._plain[k](rows, device)

        return take

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        kept: list[Any] = []
        for batch in self._loader:
            rows = batch[ROW_FIELD]
            cpu = torch.device("cpu")
            self._waiting.append((rows, [self._pool.submit(gather, rows, cpu) for gather in self._plain]))
            kept.append(batch)
            if len(kept) > 1:
                yield kept.pop(0)
                self._waiting.pop(0)
        for batch in kept:
            yield batch
            self._waiting.pop(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def drop_pages(path: Path) -> None:
    """Let the system forget a store's files, so that they are read from the disk again."""
    for file in path.glob("*.npy"):
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def gathered(student: Student, *, cold: bool) -> tuple[float, float]:
    """Clock and processor milliseconds to fetch a batch's vectors from all of a student's teachers, in its order."""
    if student._order is not None:
        student._order.set_epoch(10**6 + student.epochs)
    batches = [batch[ROW_FIELD] for batch in student._splits.train]
    keys, signals = student.material.instances.keys(50), student.signals
    if cold:
        signals = []
        for store in student.stores:
            copy = Path(shutil.copytree(store.path, store.path.with_name(f"{store.path.name}-cold")))
            drop_pages(copy)  # of a copy: mapped pages are not forgotten
            signals.append(Store.open(copy, verify=False).bind(keys, student.material.tokens))
    clock, processor = [], []
    for rows in batches:
        began = time.perf_counter(), time.process_time()
        for signal in signals:
            signal._gather(rows, torch.device("cpu"))
        clock.append(1e3 * (time.perf_counter() - began[0]))
        processor.append(1e3 * (time.process_time() - began[1]))
    return statistics.mean(clock), statistics.mean(processor)


def ahead_table(dataset: str, scratch: Path, rounds: int, batches: int) -> Iterator[str]:
    """The third table."""
    from reading import spent
    from speed_stock import Part

    settings = {**COMMON, **SASREC}
    plain, helped = (Student(dataset, settings, 3, {"targets": "batch"}, scratch) for _ in range(2))
    fetched = {
        "from the disk, pages dropped before": gathered(plain, cold=True),
        "from the page cache": gathered(plain, cold=False),
    }
    ahead = Ahead(Part(helped._splits.train, batches), helped.signals)
    found: dict[str, list[Any]] = {"without": [], "with": []}
    for turn in range(rounds + 1):
        for name, student in (("without", plain), ("with", helped)):
            student._order.set_epoch(10**6 + turn)
            part = ahead if student is helped else Part(student._splits.train, batches)
            told = spent(lambda s=student, p=part: s.trainer._train_epoch(p, s.epochs), batches)
            if turn:
                found[name].append(told)
    assert ahead.hits == 3 * batches * (rounds + 1), "the thread's vectors were not used"
    yield "| 3 teachers, a batch | clock | processor |"
    yield "|---|---|---|"
    for name, (clock, processor) in fetched.items():
        yield f"| vectors fetched {name} | {clock:.2f} ms | {processor:.2f} ms |"
    for name, each in found.items():
        clock, processor = (statistics.median(column) for column in zip(*each, strict=True))
        yield f"| a step {name} a thread that fetches the next batch's | {clock:.0f} ms | {processor:.0f} ms |"
    for unit, name in enumerate(("clock", "processor")):
        ratios = [w[unit] / p[unit] for w, p in zip(found["with"], found["without"], strict=True)]
        told = f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"
        yield f"| with : without, {name} | {told if unit == 0 else ''} | {told if unit else ''} |"
