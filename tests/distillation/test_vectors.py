"""Objectives whose loss compares vectors."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation import Objective
from ckd_plugins.distillation.candidates import InBatch
from ckd_plugins.distillation.integrators import ConfidenceConsistency
from ckd_plugins.distillation.losses import FeatureRegression
from ckd_plugins.distillation.pacing import TeacherPace
from ckd_plugins.distillation.soft_objective import SoftObjective
from ckd_plugins.distillation.vectors import read_vectors
from ckd_plugins.errors import ConfigError, StudentError
from ckd_plugins.signals import FactorSignal

N_ROWS, N_ITEMS, WIDTH = 12, 9, 4
ROWS, ITEMS = torch.tensor([0, 3, 7, 1, 11, 5]), torch.tensor([2, 5, 5, 8, 1, 7])


@pytest.fixture
def signals():
    """Two teachers; the second knows neither row 3 nor item 8."""
    generator = torch.Generator().manual_seed(0)
    first, second = (
        FactorSignal(
            torch.randn(N_ROWS, width, generator=generator),
            torch.randn(N_ITEMS, width, generator=generator),
            rows=torch.arange(N_ROWS),
            items=torch.arange(N_ITEMS).masked_fill(torch.arange(N_ITEMS) == 0, -1),
            name=f"teacher{width}",
            temperature=1.0,
        )
        for width in (3, 5)
    )
    second._rows[3], second._items[8], second._table[8] = -1, -1, 0.0
    return first, second


class Reader:
    """A student that is a table of rows and one of items."""

    def __init__(self):
        generator = torch.Generator().manual_seed(1)
        self.rows = torch.randn(N_ROWS, WIDTH, generator=generator).requires_grad_()
        self.items = torch.randn(N_ITEMS, WIDTH, generator=generator).requires_grad_()
        self.scored = 0

    def __call__(self, chosen):
        self.scored += 1
        return self.rows[ROWS] @ self.items[chosen.items].T

    def vectors(self, items):
        return torch.stack([self.rows[ROWS], self.items[items]], dim=1)


def build(signals, **options):
    source = InBatch()
    source.bind(N_ITEMS, torch.ones(N_ITEMS))
    return Objective(signals, source, ConfidenceConsistency(), FeatureRegression(), **{"width": WIDTH, **options})


def test_what_is_read_is_what_was_stored(signals):
    """Guards against vectors of another row, of a candidate in the target's place, and unknown ones that count."""
    found = read_vectors(signals, ROWS, ITEMS)
    for k, signal in enumerate(signals):
        for b in range(len(ROWS)):
            row, item = (int(x[b]) for x in (ROWS, ITEMS))
            knows = (k == 0 or row != 3, k == 0 or item != 8)
            assert found.known[k, b].tolist() == list(knows)
            wanted = torch.zeros(2, signal.width)
            if knows[0]:
                wanted[0] = signal._vectors[row]
            if knows[1]:
                wanted[1] = signal._table[item]
            torch.testing.assert_close(found.vectors[k][b], wanted)


def test_the_loss_is_the_gated_mean_and_reaches_student_and_estimators(signals):
    """Guards against scores that are read for nothing, a side without gradient, and rows that are not weighed."""
    reader, objective = Reader(), build(signals, weight=2.0)
    output = objective(ROWS, ITEMS, reader)
    assert reader.scored == 0
    output.loss.backward()
    learning = [reader.rows, reader.items, *objective.parameters()]
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in learning)
    terms = output.terms
    parts = [terms[f"distillation/regression_{side}"] for side in ("rows", "items")]
    torch.testing.assert_close(output.loss.detach(), 2.0 * sum(parts))
    assert terms["weight/teacher3"] + terms["weight/teacher5"] > 1  # row 3 has the first teacher only


def test_chunks_of_rows_give_the_same_loss_and_gradient(signals):
    """Guards against a chunk that gets another one's items or teachers' vectors."""
    found = []
    for chunk in (None, 2):
        reader, objective = Reader(), build(signals, chunk_rows=chunk)
        output = objective(ROWS, ITEMS, reader)
        output.loss.backward()
        found.append((output.loss.detach(), reader.rows.grad, reader.items.grad))
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(whole, parts)


def test_teachers_may_join_by_divergence(signals):
    """Guards against vectors taken for scores where the nearest teacher is looked for."""
    pace = TeacherPace([s.name for s in signals], lambda epoch: 0.5, "divergence")
    reader = Reader()
    output = build(signals, pace=pace)(ROWS, ITEMS, reader)
    assert reader.scored == 1
    assert len(pace.joined) == 1
    assert output.terms[f"weight/{pace.joined[0]}"] == pytest.approx(1.0)


def test_everything_that_learns_is_in_the_state(signals):
    """Guards against a resumed run whose estimators start anew, or are divided by other scales."""
    first, second = build(signals), build(signals)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1.0)
        first.criterion.scales.mul_(3.0)
    second.load_state_dict(first.state_dict())
    losses = [objective(ROWS, ITEMS, Reader()).loss for objective in (first, second)]
    assert torch.equal(*losses)


def test_who_has_no_vectors_is_refused(signals, table_signal):
    """Guards against a failure in the first batch, after the teachers."""
    scores = table_signal("lister", torch.zeros(N_ROWS, N_ITEMS))
    with pytest.raises(ConfigError, match="teacher 'lister' keeps scores"):
        build([signals[0], scores])
    with pytest.raises(ConfigError, match="give the width"):
        build(signals, width=None)
    with pytest.raises(StudentError, match="FeatureRegression compares vectors, and the reader gives scores only"):
        build(signals)(ROWS, ITEMS, Reader().__call__)


def test_targets_integrated_once_refuse_it():
    """They keep no vectors: guards against scores that are regressed."""
    with pytest.raises(ConfigError, match="FeatureRegression compares vectors"):
        SoftObjective(None, ["one"], FeatureRegression(), n_items=3, over="list")
