from __future__ import annotations

import math

import pytest
import torch

from ckd_plugins.distillation.integrators import Learned
from ckd_plugins.distillation.losses import KLDivergence
from ckd_plugins.errors import ConfigError


def made(teachers=3, hidden=4, seed=0):
    """A gate with weights drawn at random, in float64."""
    integrator = Learned(hidden=hidden).double()
    integrator.bind([f"t{k}" for k in range(teachers)])
    generator = torch.Generator().manual_seed(seed)
    for parameter in integrator.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return integrator


def batch(teachers=3, rows=8, items=6, seed=3):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(teachers, rows, items, generator=generator, dtype=torch.float64)
    known = torch.rand(teachers, rows, generator=generator) > 0.3
    known[:, 0], known[:, 1] = True, False
    target = torch.randint(items, (rows,), generator=generator)
    target[2] = -1
    return logits, known, target


def test_weights_and_loss_follow_the_equations(reference):
    """Guards against measures in the wrong place, a teacher's bias on another, and a likelihood of the wrong item."""
    integrator = made()
    logits, known, target = batch()
    result = integrator.integrate(logits, known, target)
    value = integrator.own_loss(result, target)
    _, _, consistency = reference.opinions(logits.tolist(), known.tolist(), target.tolist())
    inner, shift, outer, bias = (getattr(integrator, name).tolist() for name in ("inner", "shift", "outer", "bias"))
    for b in range(8):
        gate, p = {}, {}
        for k in (k for k in range(3) if known[k, b]):
            p[k] = reference.softmax(logits[k, b].tolist())
            sure = 1 + sum(x * math.log(x) for x in p[k]) / math.log(6)
            x = (sure, consistency[k, b], max(p[k]))
            sums = [sum(w * m for w, m in zip(row, x, strict=True)) for row in inner]
            hidden = [math.tanh(total + s) for total, s in zip(sums, shift, strict=True)]
            gate[k] = math.exp(bias[k] + sum(v * h for v, h in zip(outer, hidden, strict=True)))
        likelihood = 0.0
        for k in range(3):
            wanted = gate[k] / sum(gate.values()) if k in gate else 0.0
            assert float(result.weights[k, b].detach()) == pytest.approx(wanted, abs=1e-12)
            likelihood += wanted * p[k][target[b]] if k in gate else 0.0
        told = b not in (1, 2)  # nobody knows row 1, and the target of row 2 is no candidate
        assert float(value[b].detach()) == pytest.approx(-math.log(likelihood) if told else 0.0, abs=1e-12)


class OwnLoss(torch.nn.Module):
    """Calls the loss as a module's forward, which ``functional_call`` needs."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, logits, known, target):
        return self.inner.own_loss(self.inner.integrate(logits, known, target), target)


def test_the_gradient_of_its_loss_is_right():
    """Guards against a detached weight, whose gate would never move, and a wrong derivative."""
    module = OwnLoss(made())
    names, values = zip(*module.named_parameters(), strict=True)

    def loss(*parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), batch())

    assert torch.autograd.gradcheck(loss, tuple(v.detach().requires_grad_() for v in values))


def test_nothing_of_the_student_reaches_it():
    """Guards against the collapse to the teacher that is easiest to copy."""
    integrator = made()
    logits, known, target = batch()
    result = integrator.integrate(logits, known, target)
    assert not result.log_probs.requires_grad
    assert not result.gate.requires_grad
    student = torch.randn(8, 6, dtype=torch.float64, requires_grad=True)
    KLDivergence()(student, result)["kl"].sum().backward()
    assert all(p.grad is None for p in integrator.parameters())


def test_it_starts_even_and_draws_nothing():
    """Guards against a first epoch taught by chance, and against a shift of the student's random numbers."""
    before = torch.get_rng_state()
    integrator = Learned()
    integrator.bind(["a", "b", "c"])
    assert torch.equal(before, torch.get_rng_state())
    logits, known, target = batch()
    weights = integrator(logits, known, target).weights
    torch.testing.assert_close(weights, known / known.sum(0).clamp_min(1).double())


def test_permuting_the_teachers_and_their_biases_permutes_the_weights():
    """Guards against a network that treats the first teacher differently."""
    integrator, order = made(), torch.tensor([2, 0, 1])
    logits, known, target = batch()
    plain = integrator.integrate(logits, known, target)
    integrator.bias.data = integrator.bias.data[order]
    moved = integrator.integrate(logits[order], known[order], target)
    torch.testing.assert_close(moved.weights, plain.weights[order])
    torch.testing.assert_close(moved.log_probs, plain.log_probs)


def test_a_constant_added_to_a_teachers_scores_changes_nothing():
    """Guards against measures of raw scores, whose origin means nothing."""
    integrator = made()
    logits, known, target = batch()
    shifted = logits + 20 * torch.randn(3, 8, 1, dtype=torch.float64)
    one, other = (integrator.own_loss(integrator.integrate(x, known, target), target) for x in (logits, shifted))
    torch.testing.assert_close(one, other)


def test_it_learns_which_teacher_is_right_about_which_rows():
    """Guards the purpose: one teacher is right where it is sure, the other elsewhere; no fixed weight can say so."""
    generator = torch.Generator().manual_seed(0)
    rows = 200
    target = torch.randint(10, (rows,), generator=generator)
    right = torch.nn.functional.one_hot(target, 10).float()
    wrong = torch.nn.functional.one_hot((target + 1) % 10, 10).float()
    sure = (torch.arange(rows) < rows // 2)[:, None]
    first = torch.where(sure, 8 * right, 3 * wrong)
    logits = torch.stack([first, 5 * torch.where(sure, wrong, right)])
    known = torch.ones(2, rows, dtype=torch.bool)
    integrator = Learned()
    integrator.bind(["sure", "other"])
    optimizer = torch.optim.Adam(integrator.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        integrator.own_loss(integrator.integrate(logits, known, target), target).mean().backward()
        optimizer.step()
    weights = integrator(logits, known, target).weights.detach()
    assert weights[0, : rows // 2].min() > 0.9
    assert weights[1, rows // 2 :].min() > 0.9


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_extreme_scores_give_finite_gradients(size):
    """Guards against the logarithm of a likelihood of 0."""
    integrator = made().float()
    logits, known, target = batch()
    integrator.own_loss(integrator.integrate(logits.float().sign() * size, known, target), target).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in integrator.parameters())


def test_hidden_must_be_positive():
    """Guards against a gate without a network."""
    with pytest.raises(ConfigError, match="hidden must be 1 or more"):
        Learned(hidden=0)
