from __future__ import annotations

import torch

from ckd_plugins.distillation.candidates.base import generator_for, own_target_first


def test_own_target_is_column_0_and_its_double_is_masked():
    """Guards against an item that counts twice in a row's softmax."""
    chosen = own_target_first(torch.tensor([7, 2, 9]), torch.tensor([2, 5, 7]))
    assert chosen.items.tolist() == [[7, 2, 5, 7], [2, 2, 5, 7], [9, 2, 5, 7]]
    assert chosen.target.tolist() == [0, 0, 0]
    assert chosen.mask.tolist() == [[True, True, True, False], [True, False, True, True], [True] * 4]


def test_generators_differ_by_seed_and_epoch_and_leave_the_global_state():
    """Guards against candidates that shift the student's dropout, and against epochs that repeat one another."""
    before = torch.get_rng_state()
    draws = {(s, e): tuple(torch.rand(3, generator=generator_for(s, e)).tolist()) for s in (0, 1) for e in (0, 1)}
    assert len(set(draws.values())) == 4
    assert draws[0, 1] == tuple(torch.rand(3, generator=generator_for(0, 1)).tolist())
    assert torch.equal(before, torch.get_rng_state())
