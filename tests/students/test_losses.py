"""What a student loses on each row."""

from __future__ import annotations

import math

import pytest
import torch

from ckd_plugins.students.losses import losses_among_targets

TARGETS = torch.tensor([4, 2, 4, 9, 7])
SCORES = torch.randn(5, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def read(items):
    return SCORES[torch.arange(5)[:, None], items.expand(5, -1)]


@pytest.mark.parametrize("most", [None, 4, 3, 2])
def test_it_is_the_cross_entropy_among_the_batchs_targets(most):
    """Another row's equal target as a negative would make popular items the hard ones."""
    found = losses_among_targets(read, TARGETS, most)
    among = {None: [2, 4, 7, 9], 4: [2, 4, 7, 9], 3: [2, 9], 2: [2]}[most]
    for row, target in enumerate(TARGETS.tolist()):
        items = {target, *among}
        mean = sum(math.exp(SCORES[row, i]) for i in items) / len(items)
        wanted = math.log(mean) - float(SCORES[row, target])
        assert float(found[row]) == pytest.approx(wanted, rel=1e-5)
    assert not found.requires_grad


@pytest.mark.parametrize("most", [None, 3])
def test_what_knows_nothing_loses_nothing_however_few_the_targets(most):
    """Rows of an epoch's small last batch would be held for mastered: log 1 there, log 1000 elsewhere."""
    for targets in (torch.tensor([3]), torch.tensor([3, 3, 5]), torch.arange(1, 9)):
        nothing = torch.zeros(len(targets))
        found = losses_among_targets(
            lambda items, nothing=nothing: nothing[:, None].expand(-1, items.shape[-1]).clone(), targets, most
        )
        torch.testing.assert_close(found, nothing)
