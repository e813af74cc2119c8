from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from ckd_plugins.domains import Domain, Instances
from ckd_plugins.errors import TeacherError
from ckd_plugins.teachers import ListTeacher, listing
from ckd_plugins.teachers.listing import best

INF = np.float32(np.inf)


class Table(ListTeacher):
    """Scores that a test wrote down, a row each."""

    name: ClassVar[str] = "table"
    max_length, temperature, digest, parameters = 5, 1.0, "0", 0

    def __init__(self, table: Any, k: int) -> None:
        self.table, self.k = np.asarray(table, np.float32), k

    def scores(self, instances: Instances, rows: Any = None) -> np.ndarray:
        return self.table if rows is None else self.table[rows]

    pretrain = finetune = save = load = None


def rows(n: int, items: int) -> Instances:
    at = np.arange(n)
    return Instances(tuple(map(str, range(items))), np.zeros(n), at, at + 1, np.zeros(n))


def test_the_best_come_first() -> None:
    """A list in another order would be cut at the wrong end."""
    ids, scores = best(np.array([[0.1, 0.4, 0.3, 0.2]], np.float32), 3)
    assert ids.tolist() == [[1, 2, 3]]
    assert scores[0].tolist() == pytest.approx([0.4, 0.3, 0.2])


def test_items_that_tie_with_one_left_out_are_left_out_too() -> None:
    """A neighbourhood model gives nearly all items 0: students would be taught that chance ones of them are better."""
    ids, scores = best(np.array([[0, 2, 0, 0, 1], [3, 3, 3, 3, 3]], np.float32), 3)
    assert ids[0].tolist() == [1, 4, -1]
    assert scores[0].tolist() == [2, 1, 0]
    assert (ids[1] >= 0).all()


def test_what_there_is_no_opinion_on_is_not_listed() -> None:
    """-inf in a store is refused, and as a number it would be a certainty."""
    ids, scores = best(np.array([[-INF, 1, -INF], [-INF, -INF, -INF]], np.float32), 3)
    assert ids.tolist() == [[1, -1, -1], [-1, -1, -1]]
    assert np.isfinite(scores).all()


def test_rows_in_blocks_are_the_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that ends in the wrong place would give a row another's list."""
    table = np.random.default_rng(0).standard_normal((11, 7))
    teacher, asked = Table(table, 4), np.array([9, 2, 2, 5, 10, 0])
    whole = teacher.lists(rows(11, 7), asked)
    monkeypatch.setattr(listing, "_BLOCK", 14)
    blocks = teacher.lists(rows(11, 7), asked)
    for a, b in zip(whole, blocks, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(whole[0][:, 0], table[asked].argmax(1))


def test_a_list_is_no_longer_than_the_catalogue() -> None:
    """The store has columns for k items, and rows must fill them."""
    ids, scores = Table(np.arange(6).reshape(2, 3), 100).lists(rows(2, 3))
    assert ids.shape == scores.shape == (2, 3)


def test_vectors_are_refused_by_name(domain: Domain) -> None:
    """A caller that takes every teacher for one with vectors must be told, not given nothing."""
    teacher = Table([[1.0]], 1)
    with pytest.raises(TeacherError, match="'table' gives lists"):
        teacher.item_factors(domain)
    with pytest.raises(TeacherError, match="'table' gives lists"):
        teacher.encode(rows(1, 1))
