"""Tables of anybody's: columns by name, times in several spellings."""

from __future__ import annotations

import gzip
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ckd_plugins.domains.importers import Filters, ImportLog, Item, import_dataset
from ckd_plugins.domains.importers.table import Table
from ckd_plugins.errors import DataError

ROWS = {"who": ["ann", "bob"], "what": [7, 8], "when": [1400000000, 1400000060], "stars": [4.5, 3.0]}
OPTIONS: dict[str, Any] = {"user": "who", "item": "what", "time": "when", "rating": "stars"}
WANTED = [("ann", "7", 1400000000.0, 4.5), ("bob", "8", 1400000060.0, 3.0)]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_columns_are_found_by_name_in_every_kind_of_file(ending: str, tmp_path: Path) -> None:
    """The order of columns is the file's own."""
    frame, path = pd.DataFrame(ROWS)[["stars", "when", "what", "who"]], tmp_path / f"a{ending}"
    if ending == ".parquet":
        frame.to_parquet(path)
    else:
        text = frame.to_csv(index=False, sep="\t" if ending == ".tsv" else ",").encode("utf-8-sig")
        path.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    log = ImportLog(0.0)
    assert list(Table(path, **OPTIONS).interactions(log)) == WANTED
    assert log.files[0].lines == (2 if ending == ".parquet" else 3)
    if ending.startswith(".csv"):
        assert [row.time for row in Table(path, **{**OPTIONS, "time": None}).interactions(log)] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("when", "unit", "seconds"),
    [
        ("1400000000500", "ms", 1400000000.5),
        ("2014-05-13T16:53:20", "s", 1400000000.0),
        ("2014-05-13 18:53:20+02:00", "s", 1400000000.0),
        ("2014-05-13", "s", 1399939200.0),
    ],
)
def test_times_are_seconds_whatever_they_were(when: str, unit: Any, seconds: float, tmp_path: Path) -> None:
    """Dates in the zone of the machine would differ from machine to machine."""
    path = tmp_path / "a.csv"
    path.write_text(f"user_id,item_id,timestamp\nu,i,{when}\n")
    (row,) = Table(path, time_unit=unit).interactions(ImportLog(0.0))
    assert row.time == seconds
    assert math.isnan(row.rating)


def test_parquets_own_types_are_read(tmp_path: Path) -> None:
    """Times are objects there, and whole numbers beside missing ones are floats."""
    moment = datetime(2014, 5, 13, 16, 53, 20, tzinfo=UTC)
    days = [moment.date(), moment.date(), None]
    pd.DataFrame({"user_id": [1.0, 2.0, None], "item_id": ["a"] * 3, "t": [moment] * 3, "day": days}).to_parquet(
        tmp_path / "a.parquet"
    )
    rows = list(Table(tmp_path / "a.parquet", time="t").interactions(ImportLog(0.0)))
    assert [row[:3] for row in rows] == [("1", "a", 1.4e9), ("2", "a", 1.4e9), ("", "a", 1.4e9)]
    log = ImportLog(1.0)
    assert [row.time for row in Table(tmp_path / "a.parquet", time="day").interactions(log)] == [1399939200.0] * 2
    assert log.files[0].examples == ["line 3: None is no time"]


def test_items_have_the_columns_that_are_there_or_named(tmp_path: Path) -> None:
    """A column that is named and missing is a mistake, one that is merely usual is not."""
    (tmp_path / "a.csv").write_text("user_id,item_id,timestamp\nu,i,1\nu,j,2\n")
    (tmp_path / "items.csv").write_text('item_id,title,maker,x\ni,"Tea, green\nand ""loose""",Bo,1\nj,Pot,,2\n')
    importer = Table(tmp_path / "a.csv", items=tmp_path / "items.csv", brand="maker")
    assert list(importer.items(ImportLog(0.0))) == [Item("i", 'Tea, green\nand "loose"', "Bo"), Item("j", "Pot")]
    import_dataset(importer, tmp_path / "shop", Filters(k_core=0))
    assert (tmp_path / "shop" / "shop.item").read_text().splitlines()[1:] == [
        'i\tTea, green and "loose"\tBo\t',
        "j\tPot\t\t",
    ]
    with pytest.raises(DataError, match=r"items\.csv has no column 'titel'; did you mean 'title'\? \(columns: item"):
        Table(tmp_path / "a.csv", items=tmp_path / "items.csv", title="titel")
    with pytest.raises(DataError, match=r"a\.csv has no column 'usr'"):
        Table(tmp_path / "a.csv", user="usr")
    with pytest.raises(DataError, match="separator is ';;'; give one character"):
        Table(tmp_path / "a.csv", separator=";;")


def test_malformed_rows_are_counted_by_line(tmp_path: Path) -> None:
    """Lines, not rows: a quoted field may hold line breaks."""
    path = tmp_path / "a.csv"
    lines = ["user_id,item_id,timestamp", '"u\nv",i,1', "u,i", "u,i,soon", "", f"u,{'x' * 200_000},3", "u,i,4"]
    path.write_text("\n".join(lines) + "\n")
    log = ImportLog(1.0)
    assert [row.time for row in Table(path).interactions(log)] == [1.0, 4.0]
    assert log.files[0].examples == [
        "line 4: 2 columns, not 3",
        "line 5: Invalid isoformat string: 'soon'",
        "line 7: field larger than field limit (131072)",
    ]
    with pytest.raises(DataError, match="3 of 8 lines are malformed"):
        list(Table(path).interactions(ImportLog()))


def test_damaged_files_are_told(tmp_path: Path) -> None:
    """One line, not pyarrow's stack."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"a\.parquet is no whole Parquet file: "):
        Table(tmp_path / "a.parquet")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"user_id,item_id,timestamp\n" + b"u,i,1\n" * 9999)[:-9])
    with pytest.raises(DataError, match=r"a\.csv\.gz cannot be read: "):
        list(Table(tmp_path / "a.csv.gz").interactions(ImportLog()))
