from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ckd_plugins.teachers.windows import Windows, next_item_windows, prefix_windows

lengths = st.lists(st.integers(0, 14), min_size=1, max_size=6)


def cut(counts: list[int], cap: int, *, all_positions: bool) -> tuple[Windows, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return next_item_windows(offsets, np.arange(1, offsets[-1] + 1), cap, all_positions=all_positions), offsets


def read(windows: Windows, reads: int, seed: int | None) -> list[tuple[int, list[int]]]:
    """(position read, items that its state has seen) for every state."""
    rng = None if seed is None else np.random.default_rng(seed)
    out = []
    for batch in windows.batches(reads, rng):
        for row, column, position in zip(batch.row, batch.column, batch.position, strict=True):
            assert batch.items[row, column] == windows.flat[position]
            out.append((int(position), batch.items[row, : column + 1].tolist()))
    return out


@given(lengths, st.integers(1, 6), st.booleans(), st.integers(1, 9), st.sampled_from([None, 0, 1]))
def test_every_item_but_a_users_first_is_predicted_once(
    counts: list[int], cap: int, all_positions: bool, reads: int, seed: int | None
) -> None:
    """A target that is missed, doubled or of another user changes what is learned, without an error."""
    windows, offsets = cut(counts, cap, all_positions=all_positions)
    states = read(windows, reads, seed)
    wanted = [p for b, e in pairwise(offsets) for p in range(b, e - 1)]
    assert sorted(p for p, _ in states) == wanted
    for position, seen in states:
        begin = offsets[np.searchsorted(offsets, position, side="right") - 1]
        before = position + 1 - begin
        assert seen == windows.flat[position + 1 - len(seen) : position + 1].tolist()
        if not all_positions:
            assert len(seen) == min(before, cap)
        else:
            assert min(before, (cap + 1) // 2) <= len(seen) <= min(before, cap)


@given(lengths, st.integers(1, 9))
def test_batches_hold_about_what_was_asked(counts: list[int], reads: int) -> None:
    """A batch that grows with the data would run out of memory."""
    windows, _ = cut(counts, 5, all_positions=True)
    for seed in (None, 3):
        rng = None if seed is None else np.random.default_rng(seed)
        for batch in windows.batches(reads, rng):
            assert 0 < len(batch.row) < reads + 5
            assert (batch.items[:, -1] > 0).any()


def test_shuffling_is_by_the_generator() -> None:
    """Runs with one seed must see the same batches, and epochs different ones."""
    windows, _ = cut([9] * 50, 5, all_positions=True)
    rng = np.random.default_rng(1)
    first, second = ([b.windows.tolist() for b in windows.batches(16, rng)] for _ in range(2))
    again = [b.windows.tolist() for b in windows.batches(16, np.random.default_rng(1))]
    assert first == again != second


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_rows_with_one_start_share_a_window(rows: list[tuple[int, int]]) -> None:
    """One pass for each prefix would cost a user's length times as much."""
    start = np.array([min(r) for r in rows])
    stop = np.array([max(r) for r in rows])
    windows, window = prefix_windows(np.arange(1, 11), start, stop)
    assert len(windows) == len({a for a, b in zip(start, stop, strict=True) if b > a})
    for a, b, w in zip(start, stop, window, strict=True):
        if a == b:
            assert w == -1
        else:
            assert windows.start[w] == a
            assert windows.stop[w] >= b


def test_nothing_to_predict() -> None:
    """Users with one item give no window and no batch."""
    windows, _ = cut([1, 0, 1], 5, all_positions=True)
    assert len(windows) == 0
    assert list(windows.batches(4)) == list(windows.batches(4, np.random.default_rng(0))) == []
