from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckd_plugins.config import CkdConfig
from ckd_plugins.domains.atomic import read_atomic
from ckd_plugins.domains.merging import merge_domains
from ckd_plugins.errors import DataError
from ckd_plugins.training.leakage import refuse_leaks
from ckd_plugins.training.teaching.seen import sample, write_seen
from ckd_plugins.training.teaching.source import SEEN


def write(parent: Path, name: str, *, users: int, seed: int) -> Path:
    """A domain with clock times; users and items are numbered from 0 in every domain, users are shared."""
    rng, folder = np.random.default_rng(seed), parent / name
    folder.mkdir(parents=True)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(users):
        items, times = rng.permutation(200)[:8], np.sort(rng.choice(10_000, 8, replace=False))
        lines += [f"{user}\t{item}\t{time}" for item, time in zip(items, times, strict=True)]
    (folder / f"{name}.inter").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def domains(tmp_path: Path) -> dict[str, Path]:
    """``small`` holds 30 of 130 users' interactions, ``other`` nothing of the two."""
    parent = tmp_path / "domains"
    found = {
        n: write(parent, n, users=u, seed=s) for s, (n, u) in enumerate({"big": 100, "small": 30, "other": 100}.items())
    }
    for users in ("apart", "joined"):
        found[users] = merge_domains([found["big"], found["small"]], parent / users, users=users).folder
    found["more"] = merge_domains([found["small"], found["other"]], parent / "more", users="joined").folder
    return found


@pytest.fixture
def check(prepare: Any, domains: dict[str, Path], registry: Any, tmp_path: Path) -> Any:
    """``check("apart", pretrained=["small"], folder="big")``: a run on one dataset, with those seen by its teachers."""

    def call(target: str, pretrained: list[str] = (), folder: str | None = None) -> None:
        run = prepare("SASRec", domains[target])
        read = {n: read_atomic(domains[n], leave_one_out=False) for n in [*pretrained, *([folder] if folder else [])]}
        teachers: Any = ()
        if folder is not None:
            (tmp_path / "teacher").mkdir()
            (tmp_path / "teacher" / "config.json").write_text("{}")
            write_seen(tmp_path / "teacher" / SEEN, {folder: sample(read[folder])})
            teachers = CkdConfig.parse({"teachers": [{"name": "unisrec", "from": str(tmp_path / "teacher")}]}).teachers
        given = [read[name] for name in pretrained]
        refuse_leaks(run.splits, run.host, given, teachers, registry, run.material.domains)

    return call


@pytest.mark.parametrize("users", ["apart", "joined"])
@pytest.mark.parametrize("seen", ["big", "small"])
def test_a_part_of_merged_data_is_found_by_its_own_names(check, users, seen):
    """``small`` alone holds less than half of all that is held out, and names nothing ``small/...``."""
    with pytest.raises(DataError, match=rf"{seen!r} holds \d+ of the \d+ interactions .* in domain {seen!r}"):
        check(users, [seen])


@pytest.mark.parametrize("users", ["apart", "joined"])
def test_merged_data_are_found_behind_one_domain(check, users):
    """A teacher pre-trained on a merged set has seen each of its domains, shared users' targets included."""
    with pytest.raises(DataError, match=rf"{users!r} holds \d+ of the \d+ interactions"):
        check("small", [users])


def test_two_merged_sets_that_share_a_domain(check):
    """Users apart in one and joined in the other: the names differ in every pair."""
    with pytest.raises(DataError, match=r"'more' holds .* in domain 'small'"):
        check("apart", ["more"])


@pytest.mark.parametrize(("target", "seen"), [("joined", "small"), ("small", "apart"), ("apart", "joined")])
def test_a_teachers_folder_tells_as_much(check, target, seen):
    """What it was pre-trained on is known by hashes only; renaming must not hide it."""
    with pytest.raises(DataError, match=f"was pre-trained on '{seen}', which holds"):
        check(target, folder=seen)


@pytest.mark.parametrize("target", ["big", "apart", "joined"])
def test_other_domains_may_be_seen(check, target):
    """Domains that number users and items alike share pairs by chance: refused, nobody could pre-train."""
    check(target, ["other"], folder="other")
