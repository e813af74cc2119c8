"""A target made from a distribution, and a batch with masks."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation.numerics import LOG_ZERO
from ckd_plugins.distillation.target import Target


def as_target(log_probs):
    rows = len(log_probs)
    ones = torch.ones(1, rows, dtype=log_probs.dtype)
    return Target(log_probs=log_probs, gate=ones[0], weights=ones, confidence=ones, consistency=ones)


@pytest.fixture
def make_target():
    return as_target


@pytest.fixture
def batch():
    """Student scores, target, mask; as float64. Every row allows two candidates at least."""
    generator = torch.Generator().manual_seed(5)
    student = 2 * torch.randn(6, 7, generator=generator, dtype=torch.float64)
    mask = torch.rand(6, 7, generator=generator) > 0.3
    mask[:, :2] = True
    logits = (2 * torch.randn(6, 7, generator=generator, dtype=torch.float64)).masked_fill(~mask, float("-inf"))
    log_probs = torch.log_softmax(logits, -1).masked_fill(~mask, LOG_ZERO)
    return student, as_target(log_probs), mask
