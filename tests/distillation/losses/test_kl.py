from __future__ import annotations

import torch

from ckd_plugins.distillation.losses import KLDivergence


def test_equation(batch, reference):
    """Guards against the divergence the wrong way round, which differs by more than a constant."""
    student, target, mask = batch
    value = KLDivergence(tau=2.0)(student, target, mask)["kl"]
    for b in range(6):
        q = reference.softmax((student[b] / 2).tolist(), mask[b].tolist())
        assert abs(float(value[b]) - 4 * reference.kl(target.log_probs[b].exp().tolist(), q)) < 1e-12


def test_it_vanishes_at_the_target(batch):
    """Guards against a constant left over, which would hide convergence in the log."""
    _, target, mask = batch
    value = KLDivergence()(target.log_probs, target, mask)["kl"]
    torch.testing.assert_close(value, torch.zeros_like(value))
