from __future__ import annotations

import math

import pytest

from ckd_plugins.domains.importers import ImportLog, Interaction
from ckd_plugins.domains.importers.columns import Columns


@pytest.fixture
def log() -> ImportLog:
    log = ImportLog()
    log.open("reviews.json").lines = 7
    return log


@pytest.mark.parametrize(
    "bad",
    [
        Interaction("", "a", 1.0),
        Interaction("u", " ", 1.0),
        Interaction("u\tv", "a", 1.0),
        Interaction("u", "a\nb", 1.0),
        Interaction("u", '"a"', 1.0),
        Interaction("u", "\ud800", 1.0),
        Interaction("u", "a", math.nan),
        Interaction("u", "a", math.inf),
    ],
)
def test_what_no_table_can_hold_counts_as_malformed(bad: Interaction, log: ImportLog) -> None:
    """A tab in a token shifts the columns of its row; RecBole reads on without a word."""
    columns = Columns()
    columns.extend([Interaction("v", "b", 2.0), bad], log)
    assert len(columns) == 1
    assert log.files[0].malformed == 1
    assert log.files[0].examples[0].startswith("line 7: ")
    assert (list(columns.users), list(columns.items)) == (["v"], ["b"]), "no token without an interaction"


def test_numbers_are_those_of_first_appearance(log: ImportLog) -> None:
    """Tokens are written by these numbers."""
    columns = Columns()
    columns.extend([Interaction("v", "b", 2.0), Interaction("u", "b", 1.5, 4.0), Interaction("v", "a", 1e12)], log)
    assert columns.user.tolist() == [0, 1, 0]
    assert columns.item.tolist() == [0, 0, 1]
    assert columns.time.tolist() == [2.0, 1.5, 1e12]
    assert [str(r) for r in columns.rating.tolist()] == ["nan", "4.0", "nan"]
    assert Columns().user.tolist() == []
