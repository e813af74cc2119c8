from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation import Objective
from ckd_plugins.distillation.candidates import TeachersTop
from ckd_plugins.distillation.integrators import ConfidenceConsistency
from ckd_plugins.distillation.losses import KLDivergence
from ckd_plugins.errors import ConfigError

ROWS, TARGETS = torch.tensor([4, 1, 7, 0]), torch.tensor([3, 9, 3, 5])


@pytest.fixture
def signals(table_signal):
    generator = torch.Generator().manual_seed(0)
    tables = torch.randn(3, 9, 12, generator=generator)
    tables[1, :, 3] = 9.0  # everybody's favourite, and the target of two rows
    tables[2] = tables[0]  # a teacher given twice
    known = torch.arange(9) != 1
    return [table_signal("a", tables[0]), table_signal("b", tables[1], rows=known), table_signal("c", tables[2])]


def bound(signals, **options):
    source = TeachersTop(**options)
    source.bind(12, torch.ones(12))
    source.bind_teachers(signals)
    return source


def top(signal, row, n):
    if not signal.rows[row]:
        return set()
    return set(sorted(range(1, 12), key=lambda i: -float(signal.table[row, i]))[:n])


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("n", [1, 3, 40])
def test_the_union_holds_each_item_once(signals, n, batch):
    """Guards against an item that counts twice in a softmax, a list of another row, and the padding item."""
    chosen = bound(signals, n=n, batch=batch).choose(ROWS, TARGETS)
    assert torch.equal(chosen.items.gather(1, chosen.target[:, None]).flatten(), TARGETS)
    assert (chosen.items > 0).all()
    for row, target, items, allowed in zip(ROWS, TARGETS, chosen.items, chosen.mask, strict=True):
        wanted = {int(target)}.union(*(top(signal, int(row), n) for signal in signals))
        kept = items[allowed].tolist()
        assert len(kept) == len(set(kept))
        assert set(kept) == wanted | (set(TARGETS.tolist()) if batch else set())


def test_a_teacher_given_twice_and_the_order_of_teachers_change_nothing(signals):
    """Guards against candidates that depend on how teachers are listed."""

    def sets(teachers):
        chosen = bound(teachers, n=3).choose(ROWS, TARGETS)
        return [set(i[m].tolist()) for i, m in zip(chosen.items, chosen.mask, strict=True)]

    assert sets(signals) == sets(signals[:2]) == sets(signals[1::-1])


def test_the_objective_tells_it_rows_and_teachers(signals):
    """Guards against a source that works alone, and against masked candidates with a gradient."""
    source = TeachersTop(n=3)
    source.bind(12, torch.ones(12))
    student = torch.randn(9, 12, generator=torch.Generator().manual_seed(1)).requires_grad_()
    objective = Objective(signals, source, ConfidenceConsistency(), KLDivergence())
    output = objective(ROWS, TARGETS, lambda chosen: student[ROWS[:, None], chosen.items])
    output.loss.backward()
    for row, target in zip(ROWS.tolist(), TARGETS.tolist(), strict=True):
        wanted = {target}.union(*(top(signal, row, 3) for signal in signals))
        assert set(student.grad[row].nonzero().flatten().tolist()) <= wanted
    assert (student.grad != 0).any()


def test_misuse_is_told():
    """Guards against lists of no teacher, or of no item."""
    with pytest.raises(ConfigError, match="n must be 1 or more"):
        TeachersTop(n=0)
    with pytest.raises(RuntimeError, match="bind_teachers"):
        TeachersTop().choose(ROWS, TARGETS)
