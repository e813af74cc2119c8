"""What is kept, and in which order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ckd_plugins.domains.importers import Filters, ImportLog, Interaction
from ckd_plugins.domains.importers.columns import Columns
from ckd_plugins.domains.importers.filters import apply_filters, from_start
from ckd_plugins.errors import ConfigError, DataError

ROWS = [
    ("ann", "tea", 3, 5),
    ("bob", "pot", 1, 2),
    ("ann", "cup", 3, 4),  # a tie with the first row
    ("ann", "pot", 1, 5),
    ("ann", "tea", 3, 1),  # the first row again
    ("bob", "tea", 2, 3),
    ("bob", "pot", 9, 5),  # again, later
]


def kept(rows=ROWS, has_text=None, **filters):
    columns = Columns()
    columns.extend([Interaction(u, i, float(t), float(r)) for u, i, t, r in rows], ImportLog())
    order, steps = apply_filters(columns, Filters(**{"k_core": 0, **filters}), has_text)
    return [f"{rows[at][0]} {rows[at][1]} {rows[at][2]}" for at in order], steps


def test_users_stand_together_by_time_and_ties_keep_the_order_of_the_file() -> None:
    """Days are the clock of Amazon's reviews: without a rule for ties, two imports would have two test sets."""
    assert kept()[0] == ["ann pot 1", "ann tea 3", "ann cup 3", "bob pot 1", "bob tea 2", "bob pot 9"]


def test_the_same_row_twice_is_one_interaction_and_is_counted() -> None:
    """Amazon has reviews twice; a target that is also in the history is no question."""
    _, steps = kept()
    assert [(s.name, s.dropped, s.users, s.items, s.interactions) for s in steps] == [
        ("read", 0, 2, 3, 7),
        ("same user, item and time again", 1, 2, 3, 6),
    ]


@pytest.mark.parametrize(
    ("repeats", "rows"),
    [("first", ["bob pot 1", "bob tea 2"]), ("last", ["bob tea 2", "bob pot 9"])],
)
def test_repeats_keep_the_one_that_is_asked_for(repeats: str, rows: list[str]) -> None:
    """The published 2013 processing keeps the earliest; the other way round would be another dataset."""
    assert [row for row in kept(repeats=repeats)[0] if row.startswith("bob")] == rows


def test_low_ratings_and_missing_ones_are_dropped() -> None:
    """A rating that is not there is no liking."""
    rows = [*ROWS[:2], ("cal", "tea", 1, math.nan)]
    assert kept(rows, min_rating=3)[0] == ["ann tea 3"]
    with pytest.raises(DataError, match="has no ratings"):
        kept([rows[-1]], min_rating=3)


def test_items_without_text_go_before_the_core_is_taken() -> None:
    """The other order leaves users with fewer interactions than promised."""
    rows = [("ann", "tea", 1, 1), ("ann", "pot", 2, 1), ("bob", "tea", 1, 1), ("bob", "cup", 2, 1)]
    rows += [("cal", "tea", 1, 1), ("cal", "pot", 2, 1), ("bob", "pot", 3, 1)]
    has_text = np.array([True, True, False])  # tea, pot, cup
    names, steps = kept(rows, has_text, need_text=True, k_core=2)
    assert [(s.name, s.dropped) for s in steps[-2:]] == [("item without a text", 1), ("not in the 2-core", 0)]
    assert "bob cup 2" not in names
    with pytest.raises(DataError, match="nothing is left after 'not in the 3-core'"):
        kept(rows, has_text, need_text=True, k_core=3)


def test_the_history_is_cut_from_the_front() -> None:
    """The newest interactions are the targets."""
    assert kept(max_history=1)[0] == ["ann tea 3", "ann cup 3", "bob tea 2", "bob pot 9"]


def test_nothing_left_says_which_step_took_it() -> None:
    """An empty dataset fails in RecBole with a message about something else."""
    with pytest.raises(DataError, match="nothing is left after 'not in the 9-core', of 6 interactions before; loosen"):
        kept(k_core=9)


@pytest.mark.parametrize("wrong", [{"k_core": -1}, {"max_history": 0}])
def test_numbers_that_mean_nothing_are_refused(wrong: dict[str, int]) -> None:
    """A history of 0 would leave test targets alone."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Filters(**wrong)


def test_positions_count_within_a_user() -> None:
    """Off by one at a border gives a user the neighbour's item as target."""
    assert from_start(np.array([4, 4, 4, 0, 7, 7])).tolist() == [0, 1, 2, 0, 0, 1]
