"""`ckd data describe`: numbers for a table in a paper."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = []
    for name, tokens in (("tea", ("ann", "bob", "x1", "x2")), ("pot", ("0", "1", "0", "1"))):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        u, v, i, j = tokens
        (folder / f"{name}.inter").write_text(f"user_id:token\titem_id:token\n{u}\t{i}\n{u}\t{j}\n{v}\t{i}\n")
        (folder / f"{name}.item").write_text(f"item_id:token\tmovie_title:token_seq\n{i}\tGreen tea\n{j}\t\n")
        made.append(folder)
    return made


def test_the_table_has_a_row_a_domain_and_one_a_pair(ckd: Callable[..., Any], folders: list[Path]) -> None:
    """Datasets without a clock are described, too, and titles count under every usual name."""
    done = ckd("data", "describe", *folders)
    assert done.status == 0, done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == "domain users items interactions density of a user of an item with text words"
    assert lines[1] == "tea 2 2 3 75.0000% 1 / 1.5 / 1.5 / 2 1 / 1.5 / 1.5 / 2 50.0% 2 / 2 / 2.0 / 2"
    assert lines[2].startswith("pot 2 2 3 ")
    assert "tea, pot 0 0.0% 0 0.0%" in lines
    assert not [line for line in lines if line.startswith("*")]


def test_shares_of_plain_numbers_are_marked(ckd: Callable[..., Any], folders: list[Path]) -> None:
    """Two sources that number from 0 share nothing, and seem to share all."""
    other = folders[1].with_name("jug")
    other.mkdir()
    for ending in ("inter", "item"):
        (other / f"jug.{ending}").write_bytes((folders[1] / f"pot.{ending}").read_bytes())
    out = ckd("data", "describe", folders[1], other).out
    assert "pot, jug   2      100.0% *  2      100.0% *" in out
    assert "*: plain numbers, which mean the same in both only if one source has given them" in out


def test_json_and_picture(ckd: Callable[..., Any], folders: list[Path], tmp_path: Path) -> None:
    """The numbers unrounded, and the same picture whatever else is printed."""
    picture = tmp_path / "p.png"
    done = ckd("data", "describe", *folders, "--json", "--picture", picture)
    told = json.loads(done.out)
    assert [d["density"] for d in told["domains"]] == [0.75, 0.75]
    assert told["overlap"][0]["users_are_numbers"] is False
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone"], "dataset 'gone' not found"),
        (["tea", "tea"], "two datasets are named 'tea'"),
        (["tea", "--text-fields", "titel"], "has no column 'titel'"),
        (["tea", "--picture", "p.gif"], "'p.gif' is no place for a picture"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, ckd: Callable[..., Any], folders: list[Path]
) -> None:
    """A traceback tells nobody which argument it was."""
    done = ckd("data", "describe", *(folders[0] if word == "tea" else word for word in arguments))
    assert done.status == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
