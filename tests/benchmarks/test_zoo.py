from __future__ import annotations

from pathlib import Path

import click
import pytest
import zoo
from pages import write_table


def test_time_to_a_score_is_the_first_that_reaches_it() -> None:
    """The last, or the best, would make the slower model look as fast."""
    points = [(1.0, 0.1), (2.0, 0.3), (3.0, 0.2), (4.0, 0.4)]
    assert zoo.seconds_to(points, 0.25) == 2.0
    assert zoo.seconds_to(points, 0.5) is None


def test_a_goal_that_is_never_reached_has_no_ratio() -> None:
    """A ratio with a model that never got there says nothing."""
    base = {"points": [(10.0, 0.2), (20.0, 0.4)], "best": 0.4, "test": 0.3}
    quick = {"points": [(2.0, 0.1), (4.0, 0.39)], "best": 0.39, "test": 0.35}
    slow = {"points": [(2.0, 0.1)], "best": 0.1, "test": 0.1}
    rows = zoo.reach_rows(1, "A", base, "B", quick)
    assert rows[1] == "| 1 | B | 0.3900 | 0.3500 | 4 s | 4 s | **5.0x** |"
    assert zoo.reach_rows(1, "A", base, "B", slow)[1].endswith("| never |  |")


def test_an_epoch_of_both_is_timed_in_turn() -> None:
    """Two models timed one after the other are timed on two machines where others work beside."""
    rows = [[c.strip() for c in row.strip("|").split("|")] for row in zoo.epoch_rows("ml-100k", [2020], 1)]
    assert [row[0] for row in rows] == ["RecBole's LightGCN", "the same, loaders by arrays", "LightGCNPyG"]
    assert float(rows[2][2].partition("x")[0].strip("*")) > 1
    assert len({row[3] for row in rows}) == 1, "the same seed gives the same metrics"


def test_a_table_goes_between_its_marks(tmp_path: Path) -> None:
    """Text around a table is written by hand, and must stay."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: x -->\nold\n<!-- end -->\nafter\n")
    write_table("new", "x", page)
    assert page.read_text() == "before\n<!-- table: x -->\nnew\n<!-- end -->\nafter\n"
    with pytest.raises(click.UsageError, match="has no line <!-- table: y -->"):
        write_table("new", "y", page)
