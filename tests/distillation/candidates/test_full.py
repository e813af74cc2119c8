from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation.candidates import Full

ROWS = torch.empty(0)
"""This source does not look at rows."""


def test_all_items_but_padding():
    """Guards against the padding item as candidate and against a column that is off by one."""
    source = Full()
    source.bind(6, torch.ones(6))
    targets = torch.tensor([5, 1])
    chosen = source.choose(ROWS, targets)
    assert chosen.items.tolist() == [1, 2, 3, 4, 5]
    assert torch.equal(chosen.items[chosen.target], targets)


def test_an_unbound_source_says_so():
    """Guards against an empty catalogue."""
    with pytest.raises(RuntimeError, match="bind"):
        Full().choose(ROWS, torch.tensor([1]))
