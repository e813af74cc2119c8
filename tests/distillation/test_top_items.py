from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation import reading
from ckd_plugins.distillation.top_items import TopItems


@pytest.fixture
def signals(table_signal):
    """Two teachers; the second does not know row 1, and knows three items only."""
    generator = torch.Generator().manual_seed(0)
    tables = torch.randn(2, 9, 7, generator=generator, dtype=torch.float64)
    tables[:, :, 0] = 99.0  # padding must not be anybody's favourite
    rows = torch.arange(9) != 1
    items = torch.tensor([False, True, False, True, False, True, False])
    return [
        table_signal("a", tables[0]),
        table_signal("b", tables[1], rows=rows, items=items),
    ]


def reference(signal, row, n):
    if not signal.rows[row]:
        return [0] * n
    known = [i for i in range(1, 7) if signal.items[i]]
    best = sorted(known, key=lambda i: -float(signal.table[row, i]))[:n]
    return best + [0] * (n - len(best))


@pytest.mark.parametrize("n", [1, 4, 50])
@pytest.mark.parametrize("elements", [1, 1 << 22])
def test_lists_are_what_sorting_the_catalogue_gives(signals, n, elements, monkeypatch):
    """Guards against padding, ids off by one, and items or rows that a teacher does not know."""
    monkeypatch.setattr(reading, "_ELEMENTS", elements)
    lists = TopItems(signals, 7, n)
    rows = torch.tensor([8, 1, 3, 8])
    found = lists.at(rows)
    assert found.dtype == torch.int64
    wanted = [[reference(signal, int(row), min(n, 6)) for signal in signals] for row in rows]
    assert found.tolist() == wanted


def test_teachers_that_know_their_best_are_not_scored(signals):
    """Guards against a product that is taken all the same, and lists under the name of another teacher."""

    class Knows(type(signals[0])):
        def best(self, rows, n):
            return None if n > 4 else torch.tensor([reference(self, int(row), n) for row in rows]).reshape(len(rows), n)

    knowing = [Knows("a", signals[0].table), signals[1], Knows("c", -signals[0].table)]
    rows = torch.tensor([8, 1, 3, 8])
    for n in (4, 5):
        found = TopItems(knowing, 7, n).at(rows)
        assert found.tolist() == [[reference(signal, int(row), n) for signal in knowing] for row in rows]
        assert len(knowing[0].asked) == (n == 5)  # a list is longer than what it knows: scored after all
    every = TopItems([knowing[0]], 7, 2)
    assert every.at(rows).tolist() == [[reference(knowing[0], int(row), 2)] for row in rows]
    assert every.at(rows[:0]).shape == (0, 1, 2)


def test_each_row_is_asked_once(signals):
    """Guards against a catalogue that is scored anew in each epoch, and against lists of other rows."""
    lists = TopItems(signals, 7, 2)
    first = lists.at(torch.tensor([2, 0]))
    assert sum(signals[0].asked) == 2
    both = lists.at(torch.tensor([0, 8, 2]))
    assert sum(signals[0].asked) == 3
    assert torch.equal(both[[2, 0]], first)
    assert lists.at(torch.empty(0, dtype=torch.int64)).shape == (0, 2, 2)
