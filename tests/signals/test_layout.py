from __future__ import annotations

import numpy as np
import pytest

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import Column, Layout
from ckd_plugins.signals.layout import cast_rows, check_kind, check_lists

COLUMNS = {"vectors": Column("float16", (2,))}


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, np.nan]], "vectors hold NaN or infinite values; mend the teacher$"),  # float32 would not help
        ([[1.0, 1e6]], r"too large values for float16 \(largest: 1e\+06\)"),
        ([[1.0, 2.0, 3.0]], r"shape \(1, 3\)"),
        ([[1.0, 2.0], [1.0, 2.0]], r"shape \(2, 2\)"),
    ],
)
def test_vectors_that_cannot_be_stored_are_refused(vectors, message):
    """A value that overflows fp16 becomes infinite on disk, and infinity times 0 is NaN in every batch that has it."""
    with pytest.raises(SignalError, match=message):
        cast_rows({"vectors": np.array(vectors)}, COLUMNS, 1, "shard 0")


@pytest.mark.parametrize("names", [[], ["vectors", "more"], ["vector"]])
def test_missing_and_unknown_arrays_are_refused(names):
    """A column that is not written stays zero in the file."""
    with pytest.raises(SignalError, match="columns"):
        cast_rows({name: np.ones((1, 2)) for name in names}, COLUMNS, 1, "shard 0")


@pytest.mark.parametrize(
    ("ids", "message"),
    [([[1, 1]], "twice"), ([[0, 3]], "must lie in"), ([[-2, 0]], "must lie in"), ([[-1, -1]], "empty")],
)
def test_lists_that_no_reader_could_answer_from_are_refused(ids, message):
    """An item twice on a list has two scores; an empty list has an infinite floor."""
    with pytest.raises(SignalError, match=message):
        check_lists(np.array(ids), 3, "shard 0")


def test_short_lists_are_taken():
    """-1 may stand more than once: it is a fill."""
    check_lists(np.array([[-1, 2, -1]]), 3, "shard 0")


def test_layouts_that_hold_nothing_sound_are_refused():
    """Item vectors are written before the teacher is asked anything: they must not be wrong for hours."""
    for wrong in (np.ones(3), np.ones((3, 0)), np.full((2, 2), np.inf)):
        with pytest.raises(SignalError, match="item_vectors"):
            Layout.factors(wrong)
    with pytest.raises(SignalError, match="k is 0"):
        Layout.topk(0)
    for layout in (Layout.factors(np.ones((3, 2))), Layout.dense(3)):
        with pytest.raises(SignalError, match="3 items, and 2"):
            layout.check_items(2)
        layout.check_items(3)


def test_unknown_kinds_and_missing_arrays_are_refused():
    """A store of a plugin's kind must be refused by name, not with a KeyError in the first batch."""
    with pytest.raises(SignalError, match="unknown kind 'graph'"):
        check_kind("graph", set(), "store")
    with pytest.raises(SignalError, match="'item_vectors'"):
        check_kind("factors", {"vectors"}, "store")
    check_kind("factors", {"vectors", "item_vectors", "top_ids"}, "store")
