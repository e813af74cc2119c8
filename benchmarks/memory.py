"""How much memory a process and its children hold at most."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Self

import psutil

__all__ = ["Peak"]


class Peak:
    """Watches this process, or another one, with its children while a block runs; looks every 20 ms.

    Mapped pages are the page cache's: the system takes them back when somebody needs the memory.
    """

    def __init__(self, pid: int | None = None) -> None:
        self._process = psutil.Process(os.getpid() if pid is None else pid)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.own = 0
        """Bytes that are the processes' alone: anonymous memory, summed over them."""
        self.mapped = 0
        """Bytes of files that are mapped, libraries included, summed over the processes."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._look()
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self._look()

    def _look(self) -> None:
        own = mapped = 0
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                try:
                    held = process.memory_info()
                except psutil.NoSuchProcess:
                    continue
                own, mapped = own + held.rss - held.shared, mapped + held.shared
        except psutil.NoSuchProcess:
            return
        self.own, self.mapped = max(self.own, own), max(self.mapped, mapped)
