from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def other(tiny: Path) -> Path:
    """The same shop under another name."""
    folder = shutil.copytree(tiny, tiny.with_name("other"))
    for ending in ("inter", "item"):
        (folder / f"tiny.{ending}").rename(folder / f"other.{ending}")
    return folder


def test_merge_says_what_it_wrote(ckd, tiny, other, tmp_path):
    """The counts are how a user notices a wrong folder."""
    done = ckd("data", "merge", tiny, other, "--out", tmp_path / "both")
    assert done.status == 0, done.err
    assert (tmp_path / "both" / "both.inter").is_file()
    assert "Users in several domains: 60, kept apart" in done.out
    told = json.loads(ckd("data", "merge", tiny, other, "--out", tmp_path / "again", "--json").out)
    assert told["domains"]["tiny"]["users"] == 60
    assert told["shared_users"] == 60


def test_mistakes_are_one_line(ckd, tiny, other, tmp_path):
    """A traceback says nothing to whoever forgot a folder."""
    one = ckd("data", "merge", tiny, "--out", tmp_path / "both")
    assert one.status == 2
    assert "two domains or more" in one.err
    joined = ckd("data", "merge", tiny, other, "--out", tmp_path / "both", "--users", "joined")
    assert joined.status == 2
    assert "keep users apart" in joined.err
    assert len(joined.err.splitlines()) == 1
    assert not (tmp_path / "both").exists()
