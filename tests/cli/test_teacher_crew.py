"""``ckd teacher cache --workers``, ``--ray`` and under ``torchrun``."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.cli.teacher_crew import asked_by
from ckd_plugins.training.asking import Ranks, ThisProcess, Workers
from ckd_plugins.training.teaching import knowledge

from .conftest import Done

Ckd = Callable[..., Done]
TEACHER = "unisrec:finetune_epochs=1"
OPTIONS = ["--set", "ckd.text.encoder=words", "--set", "gpu_id=''", "--json", "-q"]


def test_two_workers_write_the_bytes_of_one_process(ckd: Ckd, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the command line to the disk: another order of rows, or a teacher that was loaded wrongly, teaches noise."""
    monkeypatch.setattr(knowledge, "_LEAST", 60)
    stores: list[dict[str, bytes]] = []
    for more in ([], ["--workers", "2"]):
        done = ckd("teacher", "cache", TEACHER, "-d", tiny, *OPTIONS, *more)
        assert done.status == 0, done.err
        about = json.loads(done.out)["unisrec"]
        stores.append({file.name: file.read_bytes() for file in Path(about["store"]).glob("*")})
        shutil.rmtree(about["store"])
    one, two = (json.loads(store.pop("manifest.json")) for store in stores)
    assert stores[0] == stores[1]
    assert one["shards"] == two["shards"]
    assert len(one["shards"]) >= 3


@pytest.mark.parametrize(
    ("arguments", "ranks", "message"),
    [
        (["--workers", "2", "--ray=somewhere"], "1", "--workers and --ray both say who asks"),
        (["--workers", "2"], "2", "--workers and torchrun both say who asks"),
        (["--ray"], "1", "--ray needs Ray"),
        (["--verify", "--workers", "2"], "1", "--verify and --import ask no teacher"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_trained(
    ckd: Ckd,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    ranks: str,
    message: str,
) -> None:
    """Training can take hours, and a missing package would be told after it."""
    _under_torchrun(monkeypatch, "0", ranks)
    monkeypatch.setitem(sys.modules, "ray", None)
    done = ckd("teacher", "cache", TEACHER, "-d", tiny, *OPTIONS, *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"ckd: error: {message}")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def test_who_asks_is_who_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank that does as the first does would train the teacher once more, and wait for the lock for ever."""
    with asked_by(None, None) as nobody, asked_by(1, None) as one, asked_by(3, None) as several:
        assert isinstance(nobody, ThisProcess)
        assert isinstance(one, ThisProcess)
        assert isinstance(several, Workers)
        assert several.count == 3
    _under_torchrun(monkeypatch, "1", "2")
    served: list[int] = []
    monkeypatch.setattr(Ranks, "serve", lambda self: served.append(self.rank))
    with asked_by(None, None) as second:
        assert second is None
    assert served == [1]


def _under_torchrun(monkeypatch: pytest.MonkeyPatch, rank: str, size: str) -> None:
    given: dict[str, Any] = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
