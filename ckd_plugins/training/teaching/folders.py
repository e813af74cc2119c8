"""A teacher's folder: one process at a time makes it, and it is there as a whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ckd_plugins.errors import TeacherError
from ckd_plugins.training.progress import Reporter

__all__ = ["alone", "partial_of", "save", "sweep"]


@contextlib.contextmanager
def alone(lock: Path, name: str, reporter: Reporter) -> Iterator[None]:
    """Let one process at a time make a teacher and its store; the others wait, and find both.

    Args:
        lock: the lock's file.
        name: the teacher's, for the message.
        reporter: is told of waiting.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        reporter.say(f"{name}: another process is making the same teacher; waiting for it")
        held.acquire()
    try:
        yield
    finally:
        held.release()


def partial_of(folder: Path) -> Path:
    """Where a training is kept until the folder is there."""
    return folder.with_name(f".{folder.name}.partial")


def sweep(folder: Path) -> None:
    """Remove what killed processes left beside a finished folder, for whoever holds its lock."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        if left == partial_of(folder) or left.suffix[1:].isdigit():
            shutil.rmtree(left, ignore_errors=True)


def save(teacher: Any, folder: Path, describe: Callable[[Path], None]) -> None:
    """Write beside and rename: a killed run leaves no folder that looks like a teacher.

    Args:
        teacher: what is saved.
        folder: its folder to be.
        describe: writes what goes with it, before the rename.

    Raises:
        TeacherError: the teacher's ``save`` writes no ``config.json``.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unnamed = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(unnamed, ignore_errors=True)
    try:
        teacher.save(unnamed)
        if not (unnamed / "config.json").is_file():
            raise TeacherError(f"{type(teacher).__name__}.save wrote no config.json; see the Teacher interface")
        describe(unnamed)
        try:
            unnamed.rename(folder)
        except OSError:
            if not (folder / "config.json").is_file():  # else one that does not see our lock was faster
                raise
    finally:
        shutil.rmtree(unnamed, ignore_errors=True)
