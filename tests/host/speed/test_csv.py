"""Which files the fast parser may read, and that it reads them as RecBole does."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from recbole.data.dataset import dataset as recbole_module

from ckd_plugins.host.speed.csv import is_plain_table, quick_csv

COLUMNS = ["user_id:token", "item_id:token", "price:float"]
OPTIONS: dict[str, Any] = {
    "delimiter": "\t",
    "usecols": COLUMNS,
    "dtype": {"user_id:token": str, "item_id:token": str, "price:float": np.float64},
    "encoding": "utf-8",
    "engine": "python",
}


def write(folder: Path, body: str | bytes) -> Path:
    path = folder / "a.inter"
    path.write_bytes("\t".join(COLUMNS).encode() + b"\n" + (body.encode() if isinstance(body, str) else body))
    return path


def read(path: Path, options: dict[str, Any], *, quick: bool) -> pd.DataFrame | str:
    try:
        if not quick:
            return pd.read_csv(path, **options)
        with quick_csv():
            return recbole_module.pd.read_csv(path, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def same(expected: pd.DataFrame | str, found: pd.DataFrame | str) -> bool:
    if isinstance(expected, str) or isinstance(found, str):
        return isinstance(expected, str) and expected == found
    if list(expected) != list(found) or not expected.index.equals(found.index):
        return False
    return all(
        ((expected[c].isna() & found[c].isna()) | (expected[c] == found[c])).all()
        and expected[c].dtype == found[c].dtype
        for c in expected
    )


@pytest.mark.parametrize("separator", ["\t", ","])
def test_tables_of_all_kinds_are_read_as_by_the_python_parser(separator: str, tmp_path: Path) -> None:
    """A token, a missing value, a line or an error that depends on who reads the file."""
    rng = random.Random(3)
    signs = ["a", "b", '"', separator, separator, "\n", "\n", "\r\n", " ", "1", ".5", "NA", "nan", "-", "\r", "#", "é"]
    numbers = ["1", "2.5", "", "NA", "1 ", " 1", "inf", "1e5", "+3", "1_0", "0x1A", "1e400", ".", '"2"', "TRUE", "1d"]
    tokens = ["a", "b1", "", "NA", " ", "x y", "'", "é", "007", '"q"', '"a b"', '"']
    quick = 0
    for attempt in range(600):
        if attempt % 3:
            few = tokens if attempt % 2 else tokens[:-3]
            cells = [[rng.choice(few), rng.choice(few), rng.choice(numbers if attempt % 7 == 0 else numbers[:4])]]
            lines = [[rng.choice(few), rng.choice(few), rng.choice(numbers[:4])][: rng.choice([3, 3, 3, 2, 1])]]
            lines += cells * rng.randint(1, 2) + ([["x", "y", "1", "z"]] if attempt % 5 == 0 else [])
            body = "\n".join(map(separator.join, lines)) + rng.choice(["", "\n", "\n\n"])
        else:
            body = "".join(rng.choice(signs) for _ in range(rng.randint(0, 40)))
        path = tmp_path / "a.inter"
        path.write_text(separator.join(COLUMNS) + "\n" + body, encoding="utf-8", newline="")
        for columns in (COLUMNS, COLUMNS[1:], COLUMNS[:1]):
            options = {**OPTIONS, "delimiter": separator, "usecols": columns}
            options["dtype"] = {name: OPTIONS["dtype"][name] for name in columns}
            quick += is_plain_table(path, options)
            assert same(read(path, options, quick=False), read(path, options, quick=True)), body
    assert quick > 300


def test_numbers_are_read_to_the_last_bit(tmp_path: Path) -> None:
    """``float_precision="round_trip"``, which is closer to the text, and not what RecBole reads."""
    rng = np.random.default_rng(0)
    drawn = [*rng.standard_normal(2000), *(rng.integers(0, 2**62, 2000) / 997), *np.exp(rng.uniform(-600, 600, 500))]
    texts = [repr(float(x)) for x in drawn] + [f"{x:.20f}" for x in drawn[:2000]]
    path = write(tmp_path, "".join(f"u\ti\t{text}\n" for text in texts))
    assert is_plain_table(path, OPTIONS)
    assert same(read(path, OPTIONS, quick=False), read(path, OPTIONS, quick=True))


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ('"u"\ti\t1\n', {}),
        ("u\ti\t1\ru\ti\t2\n", {}),
        (b"u\ti\t1\0\n", {}),
        (b"u\t\xff\t1\n", {}),
        ("u\tÄ\t1\n".encode()[:-4], {}),
        ("u\ti\t1\t5\n", {}),
        ("u\ti\t1\n", {"delimiter": "::"}),
        ("u\ti\t1\n", {"delimiter": " "}),
        ("u\ti\t1\n", {"encoding": "latin-1"}),
    ],
)
def test_what_the_parsers_read_differently_is_left_to_recboles(
    body: str | bytes, options: dict[str, Any], tmp_path: Path
) -> None:
    """Text behind a quote, a broken byte, a fourth cell: accepted by one parser and refused by the other."""
    path = write(tmp_path, body)
    assert not is_plain_table(path, {**OPTIONS, **options})


def test_blocks_are_read_as_one_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter of two bytes, or a line's end, cut in two by the block it is read in."""
    monkeypatch.setattr("ckd_plugins.host.speed.csv._BLOCK", 1)
    assert is_plain_table(write(tmp_path, "ü\tä\t1\r\nu\té\t2\r\n".encode()), OPTIONS)
    assert not is_plain_table(write(tmp_path, "ü\tä\t1\ru\té\t2\r\n".encode()), OPTIONS)
    assert not is_plain_table(write(tmp_path, b"u\t\xc3A\t1\n"), OPTIONS)
