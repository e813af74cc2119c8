from __future__ import annotations

import torch
from torch import nn

from ckd_plugins.students.memory import saved_for_backward


def test_saved_tensors_are_counted_once_and_parameters_not() -> None:
    """A count that depends on the machine, or on how often a tensor is used, decides differently each time."""
    model = nn.Linear(8, 4)
    x = torch.randn(16, 8, requires_grad=True)
    with saved_for_backward(model) as saved:
        y = model(x).exp()
        (y * y).sum()
    assert saved.bytes == x.nbytes + y.nbytes


def test_what_was_freed_inside_still_counts_apart() -> None:
    """A freed block's address is given out again: two tensors would count as one."""
    model = nn.Linear(1, 1)
    x = torch.randn(1000, requires_grad=True)
    with saved_for_backward(model) as saved:
        for _ in range(5):
            x.exp().sum()
    assert saved.bytes == 5 * x.nbytes
