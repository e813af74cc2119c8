from __future__ import annotations

import numpy as np
import torch

from ckd_plugins.distillation.losses import StandardizedMSE


def standardize(values):
    return (values - values.mean()) / np.sqrt(values.var() + 1e-6)


def test_equation(batch):
    """Guards against standardising over masked candidates or over the batch."""
    student, target, mask = batch
    value = StandardizedMSE()(student, target, mask)["mse"]
    for b in range(6):
        allowed = mask[b].numpy()
        gap = standardize(student[b].numpy()[allowed]) - standardize(target.log_probs[b].numpy()[allowed])
        assert abs(float(value[b]) - np.mean(gap**2)) < 1e-12


def test_it_is_twice_one_minus_the_correlation(batch):
    """Guards the identity that the docstring states; scale of the student's scores must not matter."""
    student, target, _ = batch
    mask = torch.ones(6, 7, dtype=torch.bool)
    wanted = [
        2 * (1 - np.corrcoef(s, t)[0, 1])
        for s, t in zip(student.numpy(), target.log_probs.clamp_min(-100).numpy(), strict=True)
    ]
    value = StandardizedMSE()(9 * student, target, mask)["mse"]
    np.testing.assert_allclose(value.numpy(), wanted, atol=1e-5)
