from __future__ import annotations

import numpy as np
import pytest
import torch

from ckd_plugins.distillation.losses.experts import Experts

GENERATOR = torch.Generator().manual_seed(0)
STUDENT, TEACHER, NOISE = (torch.randn(5, n, generator=GENERATOR, dtype=torch.float64) for n in (4, 6, 3))


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def affine(layer, vector):
    return layer.weight.detach().numpy() @ vector + layer.bias.detach().numpy()


def test_one_expert_is_a_linear_map():
    """Guards against a hidden layer, or a selection, where a projection is asked for."""
    module = Experts(4, 6, 1).double()
    assert sorted(p.shape for p in module.parameters()) == [(6,), (6, 4)]
    found = module(STUDENT, TEACHER, NOISE[:, :0], 1.0)
    for b in range(5):
        np.testing.assert_allclose(found[b].detach(), affine(module.experts[0], STUDENT[b].numpy()), atol=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_several_experts_follow_the_equation(temperature):
    """Guards against a selection by the student's vector, noise outside the temperature, and a missing softmax."""
    module = Experts(4, 6, 3).double()
    found = module(STUDENT, TEACHER, NOISE, temperature).detach().numpy()
    for b in range(5):
        chances = np.log(softmax(affine(module.selection, TEACHER[b].numpy())))
        shares = softmax((chances + NOISE[b].numpy()) / temperature)
        wanted = np.zeros(6)
        for share, (first, _, second) in zip(shares, module.experts, strict=True):
            wanted += share * affine(second, np.maximum(affine(first, STUDENT[b].numpy()), 0))
        np.testing.assert_allclose(found[b], wanted, atol=1e-12)


def test_a_cold_selection_takes_one_expert():
    """Guards against experts that never specialise, and against overflow near 0."""
    module = Experts(4, 6, 3).double()
    found = module(STUDENT, TEACHER, NOISE, 1e-10)
    chosen = (torch.log_softmax(module.selection(TEACHER), -1) + NOISE).argmax(-1)
    for b in range(5):
        torch.testing.assert_close(found[b], module.experts[int(chosen[b])](STUDENT[b]))


def test_the_gradient_is_right():
    """Guards against a selection that does not learn: towards its own weights too."""
    module = Experts(4, 6, 3).double()

    def work(student, weight):
        return torch.func.functional_call(module, {"selection.weight": weight}, (student, TEACHER, NOISE, 0.7))

    inputs = (STUDENT.clone().requires_grad_(), module.selection.weight.detach().clone().requires_grad_())
    assert torch.autograd.gradcheck(work, inputs)
