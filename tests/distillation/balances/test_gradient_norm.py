"""The distillation's gradient is as long as asked for."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ckd_plugins.distillation import Objective
from ckd_plugins.distillation.balances import GradientNorm
from ckd_plugins.distillation.candidates import Full
from ckd_plugins.distillation.integrators import UniformIntegrator
from ckd_plugins.distillation.losses import KLDivergence
from ckd_plugins.errors import ConfigError


class Two(nn.Module):
    """Two losses over a shared weight; each has one of its own besides."""

    def __init__(self, scale: float = 7.0) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.shared, self.first, self.second = (
            nn.Parameter(torch.randn(4, generator=draw, dtype=torch.float64)) for _ in range(3)
        )
        self.scale = scale

    def losses(self) -> tuple[torch.Tensor, torch.Tensor]:
        own = (self.shared.square() * self.first).sum().square()
        return own, self.scale * ((self.shared - self.second) ** 4).sum()

    def reference(self) -> tuple[float, float]:
        """Both norms over the shared weight, from the derivatives by hand, with loops."""
        x, p, q = (t.detach().tolist() for t in (self.shared, self.first, self.second))
        inner = sum(a * a * b for a, b in zip(x, p, strict=True))
        own = [2 * inner * 2 * a * b for a, b in zip(x, p, strict=True)]
        other = [self.scale * 4 * (a - b) ** 3 for a, b in zip(x, q, strict=True)]
        return math.sqrt(sum(g * g for g in own)), math.sqrt(sum(g * g for g in other))


def test_the_ratio_of_norms_is_the_equations():
    """Norms over weights that only one loss reaches (a predictor's head) would set the ratio by what is not shared."""
    model, balance = Two(), GradientNorm(every=1, momentum=0.0, most=1e6)
    balance.see(*model.losses(), list(model.parameters()))
    own, other = model.reference()
    assert balance.shares() == (1.0, pytest.approx(own / other, rel=1e-12))


def test_the_weighted_gradients_are_as_long_as_the_weight_says():
    """What a user reads into lambda: 0.5 pulls half as hard."""
    model, balance = Two(), GradientNorm(every=1, most=1e6)
    balance.see(*model.losses(), list(model.parameters()))
    own, other = model.losses()
    _, b = balance.shares()
    (mine,) = torch.autograd.grad(own, model.shared)
    (theirs,) = torch.autograd.grad(0.5 * b * other, model.shared)
    assert float(theirs.norm() / mine.norm()) == pytest.approx(0.5, rel=1e-12)


def test_the_scale_of_a_loss_does_not_matter():
    """The point of it: a loss in other units must not need another weight."""
    found = []
    for scale in (0.01, 1.0, 50.0):
        model, balance = Two(scale), GradientNorm(every=1, most=1e6)
        balance.see(*model.losses(), list(model.parameters()))
        found.append(balance.shares()[1] * scale)
    assert found == pytest.approx([found[0]] * 3, rel=1e-12)


def test_only_one_batch_in_so_many_is_measured():
    """Two more backward passes a batch would double the cost of a step."""
    model, balance = Two(), GradientNorm(every=3)
    asked = []
    for _ in range(7):
        asked.append(balance.apart)
        balance.see(*model.losses(), list(model.parameters()))
    assert asked == [True, False, False, True, False, False, True]


def test_means_are_running_ones():
    """One batch with a strange gradient must not set the weight of the next twenty."""
    balance, seen = GradientNorm(every=1, momentum=0.75, most=1e9), []
    for scale in (1.0, 5.0):
        model = Two(scale)
        balance.see(*model.losses(), list(model.parameters()))
        seen.append(model.reference())
    own, other = (0.75 * a + 0.25 * b for a, b in zip(*seen, strict=True))
    assert balance.shares()[1] == pytest.approx(own / other, rel=1e-12)


def test_a_batch_without_a_gradient_is_not_a_measurement():
    """A batch that no teacher knows has none: a norm of 0 would make the weight infinite."""
    model, balance = Two(), GradientNorm(every=5)
    own, other = model.losses()
    for nothing in (torch.zeros(()), other * 0.0, other * float("nan")):
        balance.see(own, nothing, list(model.parameters()))
        assert balance.apart
        assert balance.shares() == (1.0, 1.0)
    balance.see(own, other, list(model.parameters()))
    assert not balance.apart


def test_the_factor_is_bounded():
    """Near its end distillation has hardly a gradient, and what is left of it is noise."""
    for scale, bound in ((1e-9, 10.0), (1e9, 0.1)):
        model, balance = Two(scale), GradientNorm(most=10.0)
        balance.see(*model.losses(), list(model.parameters()))
        assert balance.shares()[1] == pytest.approx(bound)


def test_measuring_leaves_the_step_alone():
    """Gradients that stay behind in a parameter would be part of the next step."""
    model, balance = Two(), GradientNorm(every=1)
    own, other = model.losses()
    balance.see(own, other, list(model.parameters()))
    assert all(p.grad is None for p in model.parameters())
    (own + other).backward()
    measured = model.shared.grad.clone()
    plain = Two()
    sum(plain.losses()).backward()
    assert torch.equal(measured, plain.shared.grad)


def test_a_catalogue_in_chunks_can_be_measured_and_stepped(table_signal):
    """Chunks are recomputed in the backward pass, which then happens three times."""
    draw = torch.Generator().manual_seed(1)
    source = Full()
    source.bind(9, torch.ones(9))
    table = torch.randn(8, 9, generator=draw, dtype=torch.float64)
    found = []
    for chunk_rows in (None, 3):
        objective = Objective(
            [table_signal("a", table)], source, UniformIntegrator(), KLDivergence(), chunk_rows=chunk_rows
        )
        student = torch.linspace(-1, 1, 72, dtype=torch.float64).reshape(8, 9).requires_grad_()
        other = objective(torch.arange(8), torch.ones(8, dtype=torch.long), lambda c, s=student: s[:, c.items]).loss
        balance, own = GradientNorm(), student.square().mean()
        balance.see(own, other, [student])
        (own + other).backward()
        found.append((balance.shares()[1], student.grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    torch.testing.assert_close(found[0][1], found[1][1])


def test_sparse_gradients_are_summed_by_row():
    """Embedding(sparse=True) lists a row once for each time that it was read; the entries' norms do not add up."""
    table = nn.Embedding(5, 2, sparse=True).double()
    rows = torch.tensor([1, 1, 3])
    own, other = table(rows).sum(), table(rows[:1]).sum()
    balance = GradientNorm(most=1e6)
    balance.see(own, other, list(table.parameters()))
    assert balance.shares()[1] == pytest.approx(math.sqrt(2 * 4 + 2) / math.sqrt(2), rel=1e-12)


@pytest.mark.parametrize("options", [{"every": 0}, {"momentum": 1.0}, {"momentum": -0.1}, {"most": 0.5}])
def test_numbers_out_of_range_are_told(options):
    """A momentum of 1 would never measure anything."""
    with pytest.raises(ConfigError, match=f"balance gradient_norm: {next(iter(options))}"):
        GradientNorm(**options)
