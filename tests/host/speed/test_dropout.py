from __future__ import annotations

import pytest
import torch
from torch import nn

from ckd_plugins.host.speed.dropout import cheap_dropout, dropout


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
def test_as_many_are_dropped_as_torch_drops(p: float) -> None:
    """Another share would be another model: four standard errors of a million draws."""
    torch.manual_seed(0)
    kept = dropout(torch.ones(1000, 1001), p)
    dropped = float((kept == 0).double().mean())
    assert dropped == pytest.approx(p, abs=4 * (p * (1 - p) / 1_001_000) ** 0.5)
    assert float(kept.max()) == pytest.approx(1 / (1 - p), rel=1e-4)
    assert float(kept.double().mean()) == pytest.approx(1, abs=4 * (p / (1 - p) / 1_001_000) ** 0.5)


def test_elements_of_one_number_are_independent() -> None:
    """Four elements share a 64-bit number: their bits must not."""
    torch.manual_seed(0)
    kept = (dropout(torch.ones(250_000, 4), 0.5) > 0).double()
    correlation = torch.corrcoef(kept.T).fill_diagonal_(0)
    assert float(correlation.abs().max()) < 4 / 250_000**0.5


def test_the_gradient_has_the_same_mask() -> None:
    """A second draw in the backward pass would be noise."""
    x = torch.randn(3, 5, 7, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(1)
    out = dropout(x, 0.3)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(out, x * gradient)

    def again(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return dropout(x, 0.3)

    assert torch.autograd.gradcheck(again, x)


def test_the_seed_decides() -> None:
    """A run must be repeatable, and two layers must not drop the same places."""
    torch.manual_seed(2)
    first, second = dropout(torch.ones(1000), 0.5), dropout(torch.ones(1000), 0.5)
    torch.manual_seed(2)
    assert torch.equal(dropout(torch.ones(1000), 0.5), first)
    assert not torch.equal(first, second)


def test_only_in_training_and_only_where_torch_has_a_module_for_it() -> None:
    """Dropping in evaluation would spoil every ranking; other kinds of dropout are other things."""
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout1d(0.5), nn.Dropout(0.0), nn.Dropout(1.0))
    stock = [dict(vars(m)) for m in model]
    undo = cheap_dropout(model)
    assert ["forward" in vars(m) for m in model] == [True, False, False, True]
    x = torch.randn(4, 6)
    assert torch.equal(model[0].eval()(x), x)
    assert not model[3](x).any()
    assert undo is not None
    undo()
    model[0].train()
    assert [dict(vars(m)) for m in model] == stock
    assert cheap_dropout(nn.Linear(2, 2)) is None


def test_half_precision_and_odd_sizes() -> None:
    """Numbers left over when elements are not a multiple of four, and another type, are easily forgotten."""
    out = dropout(torch.ones(3, dtype=torch.bfloat16), 0.5)
    assert out.dtype == torch.bfloat16
    assert out.shape == (3,)
    assert dropout(torch.ones(0), 0.5).shape == (0,)
