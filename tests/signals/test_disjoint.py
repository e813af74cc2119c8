from __future__ import annotations

import pytest
import torch

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.disjoint import DisjointSignal
from ckd_plugins.signals.factors import FactorSignal


@pytest.fixture
def parts():
    """Rows 0, 1 and items 1, 2 are the first's; row 2 and items 3, 4 the second's; row 3 is nobody's."""
    torch.manual_seed(0)
    vectors, items = torch.randn(4, 3), torch.randn(5, 3)
    made = []
    for rows, own, temperature in (([0, 1], [1, 2], 0.5), ([2], [3, 4], 2.0)):
        row, item = torch.full((4,), -1), torch.full((5,), -1)
        row[rows], item[own] = torch.tensor(rows), torch.tensor(own)
        made.append(FactorSignal(vectors, items, row, item, name="part", temperature=temperature))
    return vectors, items, made


def test_each_row_is_its_own_teachers(parts):
    """A row scored by another domain's teacher would be taught nonsense."""
    vectors, items, made = parts
    both = DisjointSignal(made, "unisrec")
    rows, asked = torch.tensor([2, 0, 3, 1]), torch.tensor([1, 2, 3, 4])
    logits = both.scores(rows, asked) / both.temperature
    expected = torch.zeros(4, 4)
    expected[0, 2:] = vectors[2] @ items[3:].T / 2.0
    expected[1, :2], expected[3, :2] = vectors[0] @ items[1:3].T / 0.5, vectors[1] @ items[1:3].T / 0.5
    torch.testing.assert_close(logits, expected)
    assert both.known(rows).tolist() == [True, True, False, True]
    own = both.known_items(asked, rows)
    assert own.int().tolist() == [[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]]
    assert both.known_items(torch.arange(5)).tolist() == [False, True, True, True, True]


def test_candidates_of_each_row(parts):
    """Candidates by row must go with their rows when rows are parted."""
    _, _, made = parts
    both = DisjointSignal(made, "unisrec")
    rows, asked = torch.tensor([2, 0]), torch.tensor([[4, 1], [2, 4]])
    shared = both.scores(rows, torch.arange(5))
    torch.testing.assert_close(both.scores(rows, asked), shared.gather(1, asked))
    assert both.known_items(asked, rows).tolist() == [[True, False], [True, False]]


def test_another_temperature_reaches_the_softmax(parts):
    """Scores that follow the temperature would undo a setting that changes it."""
    _, _, made = parts
    both = DisjointSignal(made, "unisrec")
    rows, asked = torch.tensor([2, 0]), torch.arange(5)
    before = both.scores(rows, asked)
    both.temperature *= 3
    torch.testing.assert_close(both.scores(rows, asked), before)


def test_no_parts_are_refused():
    """A teacher of nothing would be known nowhere, silently."""
    with pytest.raises(SignalError, match="has no parts"):
        DisjointSignal([], "unisrec")
