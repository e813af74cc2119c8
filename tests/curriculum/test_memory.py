"""What is remembered of the student's losses."""

from __future__ import annotations

import numpy as np
import torch

from ckd_plugins.curriculum.memory import LossMemory


def test_the_last_loss_of_each_row_stays():
    """A mean over the epochs would hold a row for hard that has been learnt."""
    memory = LossMemory(4)
    memory.see(torch.tensor([2, 0]), torch.tensor([1.0, 2.0], requires_grad=True))
    memory.see(torch.tensor([2]), torch.tensor([0.5]).bfloat16())
    np.testing.assert_array_equal(memory.losses, [2.0, np.nan, 0.5, np.nan])
