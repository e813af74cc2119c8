from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ckd_plugins.domains.splits import leave_last_out, sort_by_user


@given(st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 3)), max_size=20))
def test_sort_equals_sorting_each_users_list(rows: list[tuple[str, int]]) -> None:
    """Another order than the stable one by time would give other histories."""
    users = [u for u, _ in rows]
    index, offsets, order = sort_by_user(users, [t for _, t in rows])
    for user, number in index.items():
        mine = [i for i in range(len(rows)) if users[i] == user]
        wanted = sorted(mine, key=lambda i: rows[i][1])
        assert order[offsets[number] : offsets[number + 1]].tolist() == wanted


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(1, 3))
def test_nothing_is_lost_or_doubled(lengths: list[int], count: int) -> None:
    """Kept and held-out interactions together are the sequence, in order."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    sequence = np.arange(offsets[-1], dtype=np.int32)
    kept_offsets, kept, held = leave_last_out(offsets, sequence, count)
    for user, length in enumerate(lengths):
        mine = kept[kept_offsets[user] : kept_offsets[user + 1]].tolist()
        assert mine + [i for i in held[user] if i >= 0] == sequence[offsets[user] : offsets[user + 1]].tolist()
        assert len(mine) >= min(length, 1)
