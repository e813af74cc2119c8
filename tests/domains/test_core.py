from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ckd_plugins.domains.core import k_core


def reference(pairs: list[tuple[int, int]], k: int) -> list[bool]:
    """One user or item at a time, until all have k: the definition."""
    left = list(range(len(pairs)))
    while True:
        for side in (0, 1):
            count = Counter(pairs[row][side] for row in left)
            low = next((value for value, n in count.items() if n < k), None)
            if low is not None:
                left = [row for row in left if pairs[row][side] != low]
                break
        else:
            return [row in set(left) for row in range(len(pairs))]


@pytest.mark.parametrize("k", [0, 1, 2, 3, 4])
def test_it_is_the_core_of_the_definition(k: int) -> None:
    """Dropping users and items once leaves users with too few; dropping in another order must give the same."""
    rng = np.random.default_rng(k)
    users, items = rng.integers(0, 30, 90), rng.integers(0, 25, 90)
    expected = reference(list(zip(users.tolist(), items.tolist(), strict=True)), k)
    assert k_core(users, items, k).tolist() == expected
    if k in (2, 3):
        assert 0 < sum(expected) < 90


def test_a_chain_of_drops_ends_with_nothing() -> None:
    """An item of two users falls when one of them does."""
    users, items = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    assert k_core(users, items, 2).tolist() == [False] * 4
