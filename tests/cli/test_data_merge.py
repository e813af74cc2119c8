from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from .conftest import fast


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


def test_datasets_by_commas_are_one_run_or_one_each(ckd, tiny, other):
    """The table is what one student for all is chosen by: all users, the mean of domains, each domain."""
    settings = fast("ckd.teachers=[]", "metrics=[NDCG]", "valid_metric=NDCG@10", "topk=[10]")
    one = ckd("distill", "SASRec", "-d", f"{tiny},{other}", *settings, "-q")
    assert one.status == 0, one.err
    assert "ndcg@10 by slice (users)" in one.out
    heads = next(line for line in one.out.splitlines() if "mean of domains" in line)
    assert re.split(r" {2,}", heads.strip())[:5] == [
        "model",
        "all users (120)",
        "mean of domains",
        "tiny (60)",
        "other (60)",
    ]
    each = json.loads(ckd("distill", "SASRec", "-d", f"{tiny},{other}", "--each", *settings, "-q", "--json").out)
    assert [run["ckd"]["dataset"] for run in each["ckd"]["runs"]] == ["tiny", "other"]
    alone = ckd("distill", "SASRec", "-d", tiny, "--each", *settings, "-q")
    assert (alone.status, "one is named; name several" in alone.err) == (2, True)


def test_a_merged_dataset_is_a_dataset(ckd, tiny, other, tmp_path):
    """What the command wrote is run on as what a list is merged into; the README's two ways are one."""
    assert ckd("data", "merge", tiny, other, "-o", tmp_path / "both").status == 0
    settings = fast("ckd.teachers=[]", "seed=7")
    written = json.loads(ckd("distill", "BPR", "-d", tmp_path / "both", *settings, "-q", "--json").out)
    listed = json.loads(ckd("distill", "BPR", "-d", f"{tiny},{other}", *settings, "-q", "--json").out)
    assert written["test_result"] == listed["test_result"]
    assert written["ckd"]["slices"] == listed["ckd"]["slices"]
