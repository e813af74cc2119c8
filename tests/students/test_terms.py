"""Means of named terms."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.students.terms import Terms


def test_means_are_over_the_batches_that_had_the_term_and_hold_no_graph():
    """Guards against an epoch's graphs kept alive for the log, and against means diluted by batches without a term."""
    terms = Terms()
    weight = torch.ones(2, requires_grad=True)
    terms.add({"a": weight * 2, "b": torch.tensor(4.0)})
    terms.add({"a": weight * 4})
    assert not any(t.requires_grad for values in terms._open.values() for t in values)
    assert terms.pop() == pytest.approx({"a": 3.0, "b": 4.0})
    assert terms.means() == {}


def test_any_number_of_batches_has_one_mean():
    """Summed up block by block: a block left out, or counted twice, would be a part of the epoch."""
    terms = Terms()
    for batch in range(1000):
        terms.add({"a": torch.tensor(float(batch)), "b": torch.tensor([batch, batch + 1.0])})
        if batch == 600:
            assert terms.means()["a"] == 300.0
    assert terms.pop() == {"a": 499.5, "b": 500.0}
    assert terms.pop() == {}


def test_a_batch_without_a_number_is_no_batch():
    """A teacher without a row in a batch counted with 0; one that waited for an epoch was logged as never right."""
    terms = Terms()
    for weight in (0.5, torch.nan, 0.7):
        terms.add({"weight": torch.tensor(weight), "never": torch.tensor(torch.nan)})
    assert terms.means() == {"weight": pytest.approx(0.6)}
