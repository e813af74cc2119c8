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
        wanted = math.log(sum(math.exp(SCORES[row, i]) for i in items)) - float(SCORES[row, target])
        assert float(found[row]) == pytest.approx(wanted, rel=1e-5)
    assert not found.requires_grad
