from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation.candidates import Candidates
from ckd_plugins.distillation.reading import read_teachers


@pytest.fixture
def table():
    return torch.randn(6, 9, generator=torch.Generator().manual_seed(0))


ROWS = torch.tensor([4, 0, 2])
SHARED = Candidates(items=torch.tensor([1, 5, 8, 3]), target=torch.tensor([0, 1, 2]))


def test_scores_are_divided_by_each_teachers_own_temperature(table_signal, table):
    """Guards against one temperature for all: cosines and dot products differ by orders of magnitude."""
    signals = [table_signal("a", table, temperature=0.07), table_signal("b", table, temperature=2.0)]
    reading = read_teachers(signals, ROWS, SHARED, torch.float32)
    wanted = table[ROWS][:, SHARED.items]
    torch.testing.assert_close(reading.logits, torch.stack([wanted / 0.07, wanted / 2.0]))
    assert reading.mask is None
    assert reading.student_mask is None
    assert reading.known.all()


def test_per_row_candidates_read_the_same_scores(table_signal, table):
    """Guards against shapes [C] and [B, C] meaning different things."""
    apart = Candidates(items=SHARED.items.expand(3, -1), target=SHARED.target)
    signal = table_signal("a", table)
    one, two = (read_teachers([signal], ROWS, c, torch.float32) for c in (SHARED, apart))
    torch.testing.assert_close(one.logits, two.logits)


def test_double_precision_is_kept_and_half_is_not(table_signal, table):
    """Guards against checks in float64 that run in float32, and against logits in half precision."""
    signal = table_signal("a", table)
    for given, wanted in [(torch.float64, torch.float64), (torch.bfloat16, torch.float32)]:
        assert read_teachers([signal], ROWS, SHARED, given).logits.dtype == wanted


def test_items_that_one_teacher_lacks_stay_candidates(table_signal, table):
    """Guards against losing what the other teachers know, and against keeping what none knows."""
    a = torch.tensor([i not in (5, 8) for i in range(9)])
    b = torch.tensor([i != 8 for i in range(9)])
    reading = read_teachers(
        [table_signal("a", table, items=a), table_signal("b", table, items=b)], ROWS, SHARED, table.dtype
    )
    assert reading.mask[0].tolist() == [[True, False, False, True]] * 3
    assert reading.mask[1].tolist() == [[True, True, False, True]] * 3
    assert reading.student_mask.tolist() == [[True, True, False, True]] * 3


def test_an_item_counts_only_if_a_teacher_of_the_row_knows_it(table_signal, table):
    """Guards against a student pushed down on items about which no teacher of that row said anything."""
    rows_a = torch.tensor([True, True, True, True, False, True])
    items_b = torch.tensor([i != 5 for i in range(9)])
    signals = [table_signal("a", table, rows=rows_a), table_signal("b", table, items=items_b)]
    reading = read_teachers(signals, ROWS, SHARED, table.dtype)
    assert reading.known.tolist() == [[False, True, True], [True, True, True]]
    assert reading.student_mask[0].tolist() == [True, False, True, True]  # row 4: only b, which lacks item 5
    assert reading.student_mask[1].all()


def test_a_teacher_without_any_candidate_of_the_row_does_not_know_it(table_signal, table):
    """Guards against a uniform distribution over nothing that takes its share of the weight."""
    pairs = torch.ones(6, 9, dtype=torch.bool)
    pairs[0, SHARED.items] = False
    reading = read_teachers([table_signal("a", table, pairs=pairs)], ROWS, SHARED, table.dtype)
    assert reading.known.tolist() == [[True, False, True]]
    assert reading.student_mask[1].all()  # the loss of a row that counts for nothing must still be finite


def test_the_sources_mask_is_kept(table_signal, table):
    """Guards against a row's own target counted twice."""
    allowed = torch.rand(3, 4, generator=torch.Generator().manual_seed(1)) > 0.3
    allowed[:, 0] = True
    reading = read_teachers(
        [table_signal("a", table)], ROWS, Candidates(SHARED.items, SHARED.target, allowed), table.dtype
    )
    assert torch.equal(reading.mask[0], allowed)
    assert torch.equal(reading.student_mask, allowed)


def test_scores_of_unknown_rows_are_dropped(table_signal, table):
    """Guards against whatever a signal returns for a row that it does not know, NaN included."""
    table[0] = float("nan")
    rows = torch.tensor([False, True, True, True, True, True])
    reading = read_teachers([table_signal("a", table, rows=rows)], ROWS, SHARED, table.dtype)
    assert reading.logits[0, 1].tolist() == [0, 0, 0, 0]
    assert torch.isfinite(reading.logits).all()


def test_no_gradient_reaches_a_teacher(table_signal, table):
    """Guards against training an online teacher together with the student."""
    table.requires_grad_()
    assert not read_teachers([table_signal("a", table)], ROWS, SHARED, table.dtype).logits.requires_grad
