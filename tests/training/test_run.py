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
from ckd_plugins.training.run import Run, discard, new_run_folder, write_json


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


@pytest.mark.parametrize("below", ["file", "file/a/b"])
def test_a_run_dir_that_is_a_file_is_one_line(tmp_path: Path, below: str) -> None:
    """A typo in run_dir is the user's mistake, no defect of ours; "[Errno 20]" is no help."""
    (tmp_path / "file").write_text("")
    message = rf"^run_dir '.*{below}' cannot be made: '.*file' is a file; set ckd\.run_dir to a folder$"
    with pytest.raises(ConfigError, match=message):
        new_run_folder(tmp_path / below, "BPR", "shop", 0)


def test_a_run_dir_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's disk: the reason in words."""

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    message = r"^run_dir '.*r' cannot be written: Permission denied; set ckd\.run_dir to a folder that can$"
    with pytest.raises(ConfigError, match=message):
        new_run_folder(tmp_path / "r", "BPR", "shop", 0)


def test_a_refused_run_leaves_no_folder_of_runs(tmp_path: Path) -> None:
    """The first try with a typo would leave an empty ckd_runs wherever it was typed."""
    folder = new_run_folder(tmp_path / "r", "BPR", "shop", 0)
    (folder / "recbole.log").write_text("")
    discard(folder)
    assert list(tmp_path.iterdir()) == []
    discard(folder)


def test_a_refused_run_leaves_the_others(tmp_path: Path) -> None:
    """Their folder is somebody's work."""
    kept, refused = (new_run_folder(tmp_path / "r", "BPR", "shop", 0) for _ in range(2))
    discard(refused)
    assert list((tmp_path / "r").iterdir()) == [kept]


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
