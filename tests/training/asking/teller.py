"""A plugin with a teacher that misbehaves when told to; and the jobs that it is asked for.

As a script, with a folder: what a process of ``torchrun`` does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ckd_plugins import TeacherSpec, hookimpl
from ckd_plugins.domains.instances import Instances
from ckd_plugins.errors import TeacherError
from ckd_plugins.signals import Layout, Provenance, StoreWriter
from ckd_plugins.training.asking import Crew, Job, Ranks, ThisProcess
from ckd_plugins.training.progress import Reporter, Silent

ROWS, ITEMS, WIDTH, SHARD = 230, 12, 5, 20


class Teller:
    """Vectors of a history's items, summed by place; with a quirk at row 100."""

    form, name = "factors", "teller"

    def __init__(self, marks: str, quirk: str = "", once: str = "") -> None:
        self.marks, self.quirk, self.once = Path(marks), quirk, once

    @classmethod
    def load(cls, folder: Path) -> Teller:
        return cls(**json.loads((Path(folder) / "config.json").read_text()))

    def encode(self, instances: Instances, rows: np.ndarray) -> np.ndarray:
        if self.quirk == "threads":
            import torch

            return np.full((len(rows), WIDTH), torch.get_num_threads())
        (self.marks / f"asked-by-{os.getpid()}").touch()
        if 100 in rows:
            self._misbehave()
        table = np.random.default_rng(0).standard_normal((ITEMS, WIDTH))
        return np.stack([np.cos(table[instances.history(r)].cumsum(0)).sum(0) for r in rows])

    def _misbehave(self) -> None:
        if self.quirk == "die" or (self.once == "die" and self._first()):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.quirk == "refuse":
            raise TeacherError("it does not like row 100")
        if self.quirk == "break":
            raise ZeroDivisionError("a defect")
        if self.quirk == "sleep" or (self.once == "sleep" and self._first()):
            (self.marks / "sleeping").write_text(str(os.getpid()))
            time.sleep(300)

    def _first(self) -> bool:
        try:
            (self.marks / "once").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@hookimpl
def ckd_register_teachers() -> Any:
    yield TeacherSpec(name="teller", factory=Teller)


def fill(folder: Path, crew: Crew | None = None, reporter: Reporter | None = None) -> Path:
    """Make the store of the teacher in ``folder``, beside it; every third row repeats one before."""
    rng = np.random.default_rng(1)
    start = np.arange(ROWS) * 3
    flat = rng.integers(0, ITEMS, 3 * ROWS + 3).astype(np.int32)
    items = tuple(f"i{n}" for n in range(ITEMS))
    instances = Instances(items, flat, start, start + 3, flat[:ROWS])
    keys = np.where(np.arange(ROWS) % 3 == 2, np.arange(ROWS), np.arange(ROWS) + 1).astype(np.uint64)
    hashes = dict.fromkeys(("weights_hash", "data_hash", "split_hash", "text_hash"), "h")
    source = Provenance(teacher="teller", dataset="shop", max_length=3, temperature=1.0, **hashes)
    path, created = folder.parent / "store", "2026-01-01T00:00:00Z"
    layout = Layout.factors(np.ones((ITEMS, WIDTH)))
    with StoreWriter(path, source, layout, keys=keys, items=items, shard_size=SHARD, created=created) as writer:
        job = Job("teller", folder, Teller.load(folder), instances, writer.rows)
        (crew or ThisProcess()).fill(job, writer, lambda *_: None, reporter or Silent())
    return path


if __name__ == "__main__":
    ranks = Ranks()
    if ranks.rank:
        ranks.serve()
    else:
        with ranks:
            fill(Path(sys.argv[1]), ranks)
