from __future__ import annotations

import math

import pytest
import torch

from ckd_plugins.distillation.numerics import in_float, masked_log_softmax, masked_standardize


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(torch.bfloat16, torch.float32), (torch.float16, torch.float32), (torch.float64, torch.float64)],
)
def test_half_is_widened_and_double_is_kept(given, wanted):
    """Guards against logarithms in 8 bits, and against gradcheck silently running in float32."""
    assert in_float(torch.ones(2, dtype=given)).dtype == wanted


def test_masked_entries_have_no_mass_and_the_rest_is_a_softmax():
    """Guards against masked items in the denominator."""
    logits = torch.tensor([[1.0, 2.0, 50.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True, False]])
    probs = masked_log_softmax(logits, mask).exp()
    total = math.exp(1) + math.exp(2)
    torch.testing.assert_close(
        probs, torch.tensor([[math.exp(1) / total, math.exp(2) / total, 0]], dtype=torch.float64)
    )


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_nothing_is_infinite_or_nan(size):
    """Guards against -inf log-probabilities, which become NaN when multiplied by a probability of 0."""
    logits = torch.tensor([[size, -size, 0.0], [-size, -size, size], [0.0, 0.0, 0.0]], requires_grad=True)
    mask = torch.tensor([[True, True, False], [True, True, True], [False, False, False]])
    log_probs = masked_log_softmax(logits, mask)
    (log_probs.exp() * log_probs).sum().backward()
    assert torch.isfinite(log_probs).all()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[~mask] == 0).all()


def test_gradient_of_the_softmax_is_right():
    """Guards against a mask that cuts gradients it should not."""
    logits = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(3, 5) > 0.3
    mask[:, 0] = True
    assert torch.autograd.gradcheck(lambda x: masked_log_softmax(x, mask).masked_fill(~mask, 0.0), (logits,))


def test_standardized_values_have_mean_0_and_variance_1_over_the_allowed():
    """Guards against masked entries in the mean or the variance."""
    values = torch.randn(4, 9, dtype=torch.float64) * 7 + 3
    mask = torch.rand(4, 9) > 0.3
    result = masked_standardize(values, mask, eps=0.0)
    for row, allowed in zip(result, mask, strict=True):
        assert row[allowed].mean().abs() < 1e-12
        assert (row[allowed].var(unbiased=False) - 1).abs() < 1e-12
        assert (row[~allowed] == 0).all()
    everything = masked_standardize(values)
    torch.testing.assert_close(everything, masked_standardize(values, torch.ones_like(mask)))


def test_standardizing_a_constant_row_has_a_finite_gradient():
    """Guards against the root's infinite slope at 0, where an untrained student's scores are all equal."""
    values = torch.full((2, 5), 3.0, requires_grad=True)
    masked_standardize(values, torch.ones(2, 5, dtype=torch.bool)).square().sum().backward()
    assert torch.isfinite(values.grad).all()
