"""Files that are whole, or what they were before."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ckd_plugins._whole import whole, whole_folder


def test_what_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """Half a file reads as a damaged one, or, worse, as a short one."""
    path = tmp_path / "a.json"
    for content in ("old", "new"):
        with whole(path) as beside:
            beside.write_text(content)

    def breaks_off() -> None:
        with whole(path) as beside:
            beside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        breaks_off()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    """With one name beside, the file would be a mixture, or gone when the second one renames it."""
    path, within = tmp_path / "a.json", threading.Barrier(2)

    def write(content: str) -> None:
        with whole(path) as beside:
            beside.write_text(content)
            within.wait(10)

    threads = [threading.Thread(target=write, args=(letter * 1000,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in ("a" * 1000, "b" * 1000)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    """A folder with one of its two files reads as a dataset without texts."""
    folder = tmp_path / "above" / "data"

    def breaks_off() -> None:
        with whole_folder(folder) as beside:
            (beside / "a").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        breaks_off()
    assert list(folder.parent.iterdir()) == []
    with whole_folder(folder) as beside:
        (beside / "a").write_text("whole")
        assert not folder.exists()
    assert [p.name for p in folder.parent.iterdir()] == ["data"]
    with pytest.raises(OSError), whole_folder(folder):
        pass
    assert (folder / "a").read_text() == "whole"
    assert [p.name for p in folder.parent.iterdir()] == ["data"]
