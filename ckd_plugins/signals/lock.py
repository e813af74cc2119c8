"""One writer a store. The lock is the operating system's, so that a killed writer's falls by itself."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

from filelock import FileLock, Timeout

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.files import json_bytes, write_whole

__all__ = ["WriterLock"]


class WriterLock:
    """Keeps a second writer out, and tells it who the first is.

    The lock file stays behind, empty: removing it while another process waits for it would let two in.

    Args:
        path: the lock file. Beside it, ``<path>.owner`` names the holder while it is held.
    """

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)
        self._owner = path.with_name(path.name + ".owner")

    def acquire(self, wait: bool = False) -> None:
        """Take the lock, or take it over from a writer that has died.

        Args:
            wait: for a living writer to end or to die.

        Raises:
            SignalError: a living writer holds it, and we do not wait; names its process, host and start.
        """
        try:
            self._lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            raise SignalError(
                f"another writer is at work on this store ({self._holder()}); wait for it, or end it and run again"
            ) from None
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        write_whole(self._owner, json_bytes(owner))

    def release(self) -> None:
        """Give the lock back; without effect if it is not held."""
        if self._lock.is_locked:
            self._owner.unlink(missing_ok=True)
            self._lock.release()

    def _holder(self) -> str:
        try:
            owner = json.loads(self._owner.read_bytes())
            return f"process {owner['pid']} on {owner['host']}, since {owner['started']}"
        except (OSError, ValueError, KeyError):  # between its taking the lock and its writing who it is
            return f"see {self._owner}"
