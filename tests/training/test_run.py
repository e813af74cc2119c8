"""Folders, events and files of a run."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import ConfigError
from ckd_plugins.training.run import Run, new_run_folder, write_json


def test_a_folders_name_says_what_ran(tmp_path: Path) -> None:
    """Somebody looks through these folders months later."""
    plain, taught = new_run_folder(tmp_path / "r", "BPR", "shop", 0), new_run_folder(tmp_path / "r", "BPR", "shop", 2)
    assert re.fullmatch(r"\d{8}-\d{6}-BPR-shop-plain", plain.name)
    assert re.fullmatch(r"\d{8}-\d{6}-BPR-shop-distilled", taught.name)


def test_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    """Two runs in one folder would mix their events and overwrite each other's checkpoint."""
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_run_folder(tmp_path, "BPR", "shop", 0), range(40)))
    assert len(set(folders)) == 40
    assert all(folder.is_dir() for folder in folders)


def test_a_run_dir_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    """A typo in run_dir is the user's mistake, no defect of ours."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"run_dir '.*file' cannot be written: .*set ckd\.run_dir") as caught:
        new_run_folder(tmp_path / "file", "BPR", "shop", 0)
    assert "\n" not in str(caught.value)


def test_events_are_lines_that_are_there_at_once(tmp_path: Path) -> None:
    """What a killed run had logged must be readable; a numpy number or a path must not break the log."""
    run = Run(tmp_path, "BPR", "shop", CkdConfig(), {})
    run.log("start", where=tmp_path, score=np.float32(0.5), rows=np.arange(2))
    first = json.loads((tmp_path / "events.jsonl").read_text())
    assert first.pop("time") > 0
    assert first == {"event": "start", "where": str(tmp_path), "score": 0.5, "rows": [0, 1]}
    run.log("end")
    assert [json.loads(line)["event"] for line in (tmp_path / "events.jsonl").open()] == ["start", "end"]


def test_json_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """A watcher that reads result.json while it is written must not see half of it."""
    path = tmp_path / "result.json"
    write_json(path, {"a": np.int64(1)})
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="Circular"):
        write_json(path, loop)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
