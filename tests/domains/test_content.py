"""What is in a file decides what is made of it: a moved file is the same, an edited one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckd_plugins.domains.content import content_digest
from ckd_plugins.errors import DataError


def folder(at: Path, **files: str) -> Path:
    at.mkdir(parents=True)
    for name, text in files.items():
        (at / name).write_text(text)
    return at


def test_a_moved_file_is_the_same_and_an_edited_one_another(tmp_path: Path) -> None:
    one, same, other = tmp_path / "a.pt", tmp_path / "b.pt", tmp_path / "c.pt"
    one.write_text("weights")
    same.write_text("weights")
    other.write_text("weightz")
    assert content_digest(one) == content_digest(same) != content_digest(other)


def test_text_that_moves_between_files_is_another_folder(tmp_path: Path) -> None:
    one, same = folder(tmp_path / "1", a="xy", b="z"), folder(tmp_path / "2", a="xy", b="z")
    other = folder(tmp_path / "3", a="x", b="yz")
    assert content_digest(one) == content_digest(same) != content_digest(other)


def test_files_that_do_not_count_are_passed_over(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "1", a="x", readme="1"), folder(tmp_path / "2", a="x", readme="2")

    def counts(file: Path) -> bool:
        return file.name == "a"

    assert content_digest(one, keep=counts) == content_digest(other, keep=counts)
    assert content_digest(one, keep=counts, begin="mean") != content_digest(one, keep=counts)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.pt' does not exist"):
        content_digest(tmp_path / "gone.pt")
