"""A run: its folder, and what observers may see of it."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ckd_plugins._whole import whole
from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import ConfigError

__all__ = ["Run", "discard", "new_run_folder", "write_json"]


@dataclass
class Run:
    """One training of one student, as observer hooks see it."""

    directory: Path
    """Holds everything that the run writes."""
    model: str
    """The student's name, as it was asked for."""
    dataset: str
    config: CkdConfig
    """The ``ckd`` section."""
    settings: dict[str, Any]
    """RecBole's settings that were given."""
    teachers: list[str] = field(default_factory=list)
    reader: str | None = None
    """How scores are read out of the student; ``None`` in a plain run."""

    def log(self, event: str, **values: Any) -> None:
        """Append one event to ``events.jsonl``."""
        line = {"event": event, "time": round(time.time(), 3), **values}
        with (self.directory / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=_plain) + "\n")


def new_run_folder(parent: Path, model: str, dataset: str, teachers: int) -> Path:
    """Make ``<parent>/<date>-<time>-<model>-<dataset>-<plain|distilled>``; parallel runs get folders of their own.

    Raises:
        ConfigError: the folder cannot be made.
    """
    kind = "distilled" if teachers else "plain"
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{model}-{dataset}-{kind}"
    for attempt in range(1000):
        folder = parent / (stem if attempt == 0 else f"{stem}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not folder.is_dir():
                raise ConfigError(f"run_dir {str(parent)!r} is not a folder; set ckd.run_dir to one") from None
            continue
        except NotADirectoryError:
            file = next(one for one in (parent, *parent.parents) if one.exists())
            raise ConfigError(
                f"run_dir {str(parent)!r} cannot be made: {str(file)!r} is a file; set ckd.run_dir to a folder"
            ) from None
        except OSError as error:
            raise ConfigError(
                f"run_dir {str(parent)!r} cannot be written: {error.strerror or error}; set ckd.run_dir to a folder "
                f"that can"
            ) from error
        return folder
    raise ConfigError(f"{parent} has a thousand runs named {stem}; set ckd.run_dir to another folder")


def discard(folder: Path) -> None:
    """Remove a refused run's folder, and the folder of runs that held nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # it holds other runs, or is gone
        folder.parent.rmdir()


def write_json(path: Path, value: Any) -> None:
    """Write JSON, so that a reader sees the whole file or what it was before."""
    with whole(path) as beside:
        beside.write_text(json.dumps(value, indent=2, default=_plain) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)
