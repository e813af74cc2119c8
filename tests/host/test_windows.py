"""Windows cover each target of a user once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckd_plugins.errors import DataError
from ckd_plugins.host.data import load_splits
from ckd_plugins.host.settings import build_config, find_dataset
from ckd_plugins.host.windows import window_ends
from ckd_plugins.registry import Registry
from ckd_plugins.training.subscribe import subscribe


@settings(deadline=None)
@given(st.lists(st.integers(1, 23), min_size=1, max_size=6), st.integers(1, 7), st.randoms())
def test_each_target_is_covered_once(rows_of: list[int], cap: int, random: object) -> None:
    """A target that no window holds is never learnt; one that two hold is learnt twice."""
    users = np.repeat(np.arange(1, len(rows_of) + 1), rows_of)
    step = np.concatenate([np.arange(n) for n in rows_of])  # row k asks for item k + 1
    order = np.argsort(step, kind="stable")  # RecBole sorts by time: users are interleaved
    users, step = users[order], step[order]
    lengths = np.minimum(step + 1, cap)
    covered: dict[int, list[int]] = {}
    for row in window_ends(users, lengths).tolist():
        covered.setdefault(int(users[row]), []).extend(range(step[row] + 2 - lengths[row], step[row] + 2))
    assert {u: sorted(targets) for u, targets in covered.items()} == {
        u + 1: list(range(1, n + 1)) for u, n in enumerate(rows_of)
    }


def test_a_split_whose_windows_would_hold_test_items_is_refused(tmp_path: Path) -> None:
    """With a random split, a window of train rows has validation and test items among its targets."""
    student = subscribe("SASRecPlus", Registry(discover=False))
    given_ = {"eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "TO", "mode": "full", "group_by": "user"}}
    config = build_config("SASRecPlus", find_dataset("ml-100k"), given_, tmp_path, defaults=student.defaults)
    with pytest.raises(DataError, match=r"SASRecPlus learns from whole sequences, which needs the split .*LS"):
        load_splits(config)
