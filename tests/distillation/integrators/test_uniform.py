from __future__ import annotations

import torch

from ckd_plugins.distillation.integrators import UniformIntegrator


def test_weights_are_shared_among_the_teachers_that_know_the_row():
    """Guards against 1 / K where a teacher is missing: the target would lose mass."""
    known = torch.tensor([[True, True, False], [True, False, False]])
    result = UniformIntegrator()(torch.zeros(2, 3, 4), known, torch.zeros(3, dtype=torch.int64))
    assert result.weights.tolist() == [[0.5, 1.0, 0.0], [0.5, 0.0, 0.0]]
    assert result.gate.tolist() == [1.0, 1.0, 0.0]
