from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckd_plugins.domains.instances import Instances

histories = st.lists(st.lists(st.sampled_from("abcdef"), max_size=12), min_size=1, max_size=8)


def build(rows: list[list[str]], items: str = "abcdef") -> Instances:
    index = {t: i for i, t in enumerate(items)}
    stop = np.cumsum([len(r) for r in rows])
    start = stop - [len(r) for r in rows]
    flat = np.array([index[t] for r in rows for t in r], np.int32)
    return Instances(tuple(items), flat, start, stop, np.zeros(len(rows), np.int32))


@given(histories, st.integers(1, 15))
def test_keys_depend_on_the_newest_tokens_alone(rows: list[list[str]], cap: int) -> None:
    """Stores are written by one numbering of items and order of rows, and read by another."""
    keys = build(rows).keys(cap)
    other = build([r[-cap:] for r in rows[::-1]], "fdbxeca").keys(cap)[::-1]
    assert (keys == other).all()
    contents = [tuple(r[-cap:]) for r in rows]
    assert len(set(keys.tolist())) == len(set(contents))
    assert [k == 0 for k in keys] == [not c for c in contents]


@given(histories, st.integers(1, 15), st.booleans())
def test_padded_rows_are_the_newest_items(rows: list[list[str]], cap: int, newest_last: bool) -> None:
    """A shifted or unpadded row would ask the teacher about another history."""
    instances = build(rows)
    padded, lengths = instances.padded(np.arange(len(rows)), cap, newest_last=newest_last)
    assert padded.dtype == lengths.dtype == np.int64
    assert padded.shape[1] == max(1, lengths.max())
    for row, line, length in zip(rows, padded, lengths, strict=True):
        wanted = ["abcdef".index(t) + 1 for t in row[-cap:]][:: 1 if newest_last else -1]
        assert line.tolist() == wanted + [0] * (padded.shape[1] - len(wanted))
        assert length == len(wanted)


def test_take_keeps_content() -> None:
    """Rows that are chosen for a shard must keep their keys."""
    instances = build([["a", "b"], [], ["c"]])
    chosen = instances.take([2, 0])
    assert chosen.keys(5).tolist() == instances.keys(5)[[2, 0]].tolist()
    assert chosen.history(1).tolist() == [0, 1]
    assert chosen.lengths.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": [0]}, "rows"),
        ({"flat": [0, 9]}, "outside"),
        ({"stop": [3, 2]}, "windows"),
        ({"start": [1, 2], "stop": [0, 2]}, "windows"),
        ({"start": [-1, 0]}, "windows"),
    ],
)
def test_arrays_that_disagree_are_refused(change: dict[str, list[int]], message: str) -> None:
    """NumPy would read negative or far indices from the wrong end without a word."""
    arrays = {"flat": [0, 1], "start": [0, 1], "stop": [1, 2], "target": [0, 1], **change}
    with pytest.raises(ValueError, match=message):
        Instances(("a", "b"), **{k: np.array(v) for k, v in arrays.items()})


def test_no_rows_have_no_keys() -> None:
    """An empty shard must not fail."""
    empty = Instances(("a",), np.array([]), np.array([]), np.array([]), np.array([]))
    assert empty.keys(3).shape == (0,)
    assert empty.padded([], 3)[0].shape == (0, 1)
    with pytest.raises(ValueError, match="at least 1"):
        empty.keys(0)


def test_user_keys_are_the_users_whatever_the_numbering() -> None:
    """A store of users' lists must serve a run that numbers users otherwise; strangers share nobody's."""
    at = np.arange(4)
    one = Instances(("a",), np.zeros(4), at, at + 1, np.zeros(4), ("u", "v"), np.array([0, 1, 1, -1]))
    other = Instances(("a",), np.zeros(4), at, at + 1, np.zeros(4), ("v", "u"), np.array([1, 0, 0, -1]))
    assert one.user_keys().tolist() == other.user_keys().tolist()
    keys = one.user_keys()
    assert keys[1] == keys[2] != keys[0]
    assert keys[3] == 0
    assert one.take([2, 0]).user.tolist() == [1, 0]


def test_rows_without_users_or_a_history_have_no_user_key() -> None:
    """Key 0 is left out of a store; any other would be asked about."""
    at = np.arange(2)
    nameless = Instances(("a",), np.zeros(2), at, at + 1, np.zeros(2))
    assert nameless.user.tolist() == [-1, -1]
    assert nameless.user_keys().tolist() == [0, 0]
    empty = Instances(("a",), np.zeros(2), at, at, np.zeros(2), ("u",), np.zeros(2))
    assert empty.user_keys().tolist() == [0, 0]


def test_a_user_beyond_the_users_is_refused() -> None:
    """It would be read as somebody else in another numbering."""
    with pytest.raises(ValueError, match="user must name one of 1 users"):
        Instances(("a",), np.zeros(1), [0], [1], [0], ("u",), np.array([1]))
