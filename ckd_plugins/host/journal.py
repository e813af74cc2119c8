"""RecBole's log of a run, in the run's folder."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

__all__ = ["recbole_log"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class _Plain(logging.Formatter):
    """RecBole colours its messages itself; a file wants them plain."""

    def format(self, record: logging.LogRecord) -> str:
        return _COLOUR.sub("", super().format(record))


@contextlib.contextmanager
def recbole_log(run_dir: Path, level: int = logging.INFO) -> Iterator[Path]:
    """Send what RecBole logs (to the root logger) to ``<run_dir>/recbole.log`` while the block runs.

    RecBole configures the root logger once for the process, so that a second run writes into the first one's file;
    this handler comes and goes with its run and leaves others' handlers and levels as they were. While it is there,
    INFO messages reach no handler but this one, as the root level would otherwise open all of them.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / "recbole.log"
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_Plain("%(asctime)s %(levelname)s %(message)s"))
    handler.setLevel(level)
    root = logging.getLogger()
    before = root.level
    others = {h: h.level for h in root.handlers}
    for other in others:
        other.setLevel(max(other.level, before))
    root.addHandler(handler)
    root.setLevel(min(before, level))
    try:
        with warnings.catch_warnings():
            _silence_known_warnings()
            yield path
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
        handler.close()
        for other, old in others.items():
            other.setLevel(old)


def _silence_known_warnings() -> None:
    """Hide what RecBole's age makes torch, pandas and numpy say on every run; all other warnings stay."""
    known: tuple[type[Warning], ...] = (FutureWarning, DeprecationWarning, UserWarning)
    for category in known:
        warnings.filterwarnings("ignore", category=category, module=r"recbole\.")
    warnings.filterwarnings("ignore", message=r".*torch\.sparse\.SparseTensor.*")
