from __future__ import annotations

import numpy as np
import pytest
import torch

from ckd_plugins.teachers.nets.adaptor import MoEAdaptor


def drawn(seed: int = 0) -> MoEAdaptor:
    torch.manual_seed(seed)
    adaptor = MoEAdaptor(6, 4, 3, dropout=0.3).double()
    for parameter in adaptor.parameters():
        torch.nn.init.normal_(parameter)
    return adaptor


def test_equals_the_equations_in_float64() -> None:
    """Whitening subtracts the bias before the product, and all experts take part by a dense softmax."""
    adaptor, x = drawn().eval(), np.random.default_rng(0).standard_normal((5, 6))
    w = {k: v.detach().numpy() for k, v in adaptor.named_parameters()}
    logits = x @ w["w_gate"]
    gates = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    wanted = sum(gates[:, [k]] * ((x - w[f"experts.{k}.bias"]) @ w[f"experts.{k}.lin.weight"].T) for k in range(3))
    np.testing.assert_allclose(adaptor(torch.tensor(x)).detach().numpy(), wanted, rtol=1e-12)


def test_gradient_of_the_bias() -> None:
    """The product is multiplied out to save a matrix; the gradient must stay that of the equation."""
    adaptor = drawn().eval()
    assert torch.autograd.gradcheck(adaptor, torch.randn(3, 6, dtype=torch.float64, requires_grad=True))
    x = torch.randn(3, 6, dtype=torch.float64)
    expert = adaptor.experts[0]
    wanted = torch.autograd.grad(expert.lin(x - expert.bias).square().sum(), expert.bias)[0]
    torch.testing.assert_close(torch.autograd.grad(expert(x).square().sum(), expert.bias)[0], wanted)


def test_the_gates_noise_is_for_training_only() -> None:
    """Noise in use would give another answer each time; without it in training experts collapse."""
    adaptor = MoEAdaptor(6, 4, 3, dropout=0.0)
    x = torch.randn(2000, 6)
    adaptor.eval()
    torch.testing.assert_close(adaptor.gates(x), torch.full((2000, 3), 1 / 3))
    adaptor.train()
    logits = adaptor.gates(x).log()
    # softplus(0) + 0.01 is the noise's standard deviation at the start; a difference of two has sqrt(2) times that.
    difference = logits[:, 0] - logits[:, 1]
    assert difference.std().item() == pytest.approx((np.log(2) + 0.01) * np.sqrt(2), rel=0.05)
