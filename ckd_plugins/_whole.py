"""Files and folders that are whole, or what they were before."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole", "whole_folder"]


@contextmanager
def whole(path: Path, *, locked: bool = False) -> Iterator[Path]:
    """Give a path beside to write to, which takes the place of ``path`` when the block ends without an error.

    Whenever the process ends, or the power, ``path`` is the old file or the new one. Processes and threads that write
    one file at once do not meet; the last one stays.

    Args:
        path: the file; its folder is there.
        locked: nobody else writes it, so that the path beside may be one and the same: what a killed process left
            there is written over.

    Example:
        >>> with whole(Path("card.json")) as beside:  # doctest: +SKIP
        ...     beside.write_text("{}")
    """
    mark = "part" if locked else f"{os.getpid()}-{threading.get_ident()}"
    beside = path.with_name(f".{path.name}.{mark}")
    try:
        yield beside
        with beside.open("r+b") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a folder beside to write to, which takes the name ``path`` when the block ends without an error.

    Args:
        path: not there yet, or an empty folder; the folders above it are made.

    Raises:
        OSError: somebody else has made it in the meantime.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
