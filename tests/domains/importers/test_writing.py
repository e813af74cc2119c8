from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ckd_plugins.domains.importers import ImportLog, Interaction, Item
from ckd_plugins.domains.importers.columns import Columns
from ckd_plugins.domains.importers.writing import item_row, tidy, write_interactions, write_items


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("AT&amp;T  210\tPhone\r\n", "AT&T 210 Phone"),
        ("5&#39; &nbsp;cable&#10;black", "5' cable black"),
        ('"Wally" the Pig', "Wally the Pig"),
        ('&quot;Wally&quot; the 18" Pig', "Wally the 18 Pig"),
        ('18" doll', '18" doll'),
        ("a\0b\x85c\u2028d", "a b c d"),
        ("half \ud83d pair", "half ? pair"),
        ("   ", ""),
    ],
)
def test_fields_become_one_line_that_every_reader_takes(field: str, text: str) -> None:
    """A tab or line break shifts columns; a leading quote makes pandas read on to the next one, lines later."""
    assert tidy(field) == text


def test_recboles_parser_reads_the_texts_back(tmp_path: Path) -> None:
    """It is pandas' Python parser with quoting on."""
    titles = ['"A" b', 'c "d" e', 'f"', "'g'", "h\\", "ü"]
    write_items(tmp_path / "x.item", {str(n): item_row(Item("", t, "", "k")) for n, t in enumerate(titles)})
    frame = pd.read_csv(tmp_path / "x.item", delimiter="\t", dtype=str, encoding="utf-8", engine="python")
    assert frame["title:token_seq"].tolist() == [tidy(t) for t in titles]
    assert frame["categories:token_seq"].tolist() == ["k"] * 6


@pytest.mark.parametrize("rated", [True, False])
def test_ratings_are_a_column_if_all_have_one(rated: bool, tmp_path: Path) -> None:
    """An empty rating is read as 0, which is the worst one."""
    columns = Columns()
    last = Interaction("u", "c", 1400000100.5, 2.0) if rated else Interaction("u", "c", 1400000100.5)
    columns.extend([Interaction("u", "b", 1400000001.0, 4.5), last], ImportLog())
    names = write_interactions(tmp_path / "x.inter", columns, np.array([1, 0]))
    lines = (tmp_path / "x.inter").read_text(encoding="utf-8").splitlines()
    if rated:
        assert names == ["user_id", "item_id", "rating", "timestamp"]
        assert lines[0] == "user_id:token\titem_id:token\trating:float\ttimestamp:float"
        assert lines[1:] == ["u\tc\t2\t1400000100.5", "u\tb\t4.5\t1400000001"]
    else:
        assert names == ["user_id", "item_id", "timestamp"]
        assert lines[1:] == ["u\tc\t1400000100.5", "u\tb\t1400000001"]
    write_interactions(tmp_path / "y.inter", columns, np.array([1, 0]), positions=True)
    assert [line.split("\t")[-1] for line in (tmp_path / "y.inter").read_text().splitlines()[1:]] == ["1", "2"]
