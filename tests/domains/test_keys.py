from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ckd_plugins.domains.keys import BASE, LENGTH, token_hashes, window_keys

M = 1 << 64


def slow_key(hashes: list[int]) -> int:
    """The definition, one number at a time in Python's own integers."""
    if not hashes:
        return 0
    x = (sum(h * pow(BASE, j, M) for j, h in enumerate(hashes)) + len(hashes) * LENGTH) % M
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % M
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % M
    return (x ^ (x >> 31)) or 1


@given(st.lists(st.integers(0, M - 1), max_size=30), st.data())
def test_vectorised_keys_equal_the_definition(hashes: list[int], data: st.DataObject) -> None:
    """A wrong inverse or prefix sum would give one history different keys at different places."""
    n = len(hashes)
    stops = data.draw(st.lists(st.integers(0, n), max_size=8))
    starts = [data.draw(st.integers(0, stop)) for stop in stops]
    keys = window_keys(np.array(hashes, np.uint64), np.array(starts, np.int64), np.array(stops, np.int64))
    assert keys.tolist() == [slow_key(hashes[a:b]) for a, b in zip(starts, stops, strict=True)]


@given(st.lists(st.integers(0, M - 1), min_size=1, max_size=20, unique=True), st.randoms(use_true_random=False))
def test_order_counts(hashes: list[int], random: object) -> None:
    """A key that ignores order would give a teacher's answer for one history to its permutations."""
    turned = hashes[::-1]
    both = np.array(hashes + turned, np.uint64)
    keys = window_keys(both, np.array([0, len(hashes)]), np.array([len(hashes), 2 * len(hashes)]))
    assert (keys[0] == keys[1]) == (hashes == turned)


def test_a_key_of_zero_means_empty_and_nothing_else() -> None:
    """The one content whose mix is 0 must not be taken for an empty history."""
    # mix is a bijection with mix(0) = 0, so a single hash of -LENGTH gives 0 before the fix.
    keys = window_keys(np.array([M - LENGTH], np.uint64), np.array([0, 0]), np.array([1, 0]))
    assert keys.tolist() == [1, 0]


def test_token_hashes_do_not_change_between_versions() -> None:
    """Stores of earlier versions are read by these numbers."""
    assert token_hashes(["a", "B00005N7P0", "é"]).tolist() == [
        int.from_bytes(__import__("hashlib").blake2b(t.encode(), digest_size=8).digest(), "little")
        for t in ("a", "B00005N7P0", "é")
    ]
    assert token_hashes([]).shape == (0,)


def test_no_collision_among_many_short_histories() -> None:
    """Swaps of neighbours and changes of one item are the likeliest collisions of a polynomial hash."""
    rng = np.random.default_rng(0)
    hashes = token_hashes([str(i) for i in range(40)])
    windows = np.unique(rng.integers(0, 40, (20000, 4)), axis=0)
    start = np.arange(len(windows)) * 4
    keys = window_keys(hashes[windows.ravel()], start, start + 4)
    assert len(np.unique(keys)) == len(windows)
