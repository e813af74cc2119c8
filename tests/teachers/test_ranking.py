from __future__ import annotations

import numpy as np
import pytest

from ckd_plugins.teachers import ranking
from ckd_plugins.teachers.ranking import ndcg, recall, target_ranks


def test_ranks_equal_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chosen epoch and every reported number hang on it; parts must not shift rows."""
    monkeypatch.setattr(ranking, "_SCORES", 40)
    rng = np.random.default_rng(0)
    rows, items = rng.standard_normal((23, 4)).astype(np.float32), rng.standard_normal((17, 4)).astype(np.float32)
    target = rng.integers(0, 17, 23)
    order = np.argsort(-(rows @ items.T), axis=1)
    wanted = [o.tolist().index(t) + 1 for o, t in zip(order, target, strict=True)]
    assert target_ranks(rows, items, target).tolist() == wanted


def test_equal_scores_are_no_hits() -> None:
    """A model that gives every item the same score must not look perfect."""
    ranks = target_ranks(np.zeros((2, 3), np.float32), np.zeros((101, 3), np.float32), np.array([0, 100]))
    assert ranks.tolist() == [51, 51]


def test_metrics_by_hand() -> None:
    """NDCG with one relevant item is 1 / log2(1 + rank) within the cut."""
    ranks = np.array([1, 3, 10, 11])
    assert ndcg(ranks, 10) == pytest.approx((1 + 0.5 + 1 / np.log2(11)) / 4)
    assert recall(ranks, 10) == 0.75
    assert ndcg(ranks[:0]) == recall(ranks[:0]) == 0
