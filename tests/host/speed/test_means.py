"""The mean over layers is the mean of their stack."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

from ckd_plugins.host.speed.means import mean_by_sum, means_taken, stock_mean


class Layered(torch.nn.Module):
    """Layers ``[5, 3]`` of a weight, and what a model may do with their stack."""

    def __init__(self, use: Callable[[torch.Tensor], torch.Tensor], dim: int = 1) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(15.0).view(5, 3) / 7)
        self.use, self.dim = use, dim

    def forward(self) -> torch.Tensor:
        layers = [self.weight * 1.0]
        for _ in range(3):
            layers.append(layers[-1].sin())
        return self.use(torch.stack(layers, dim=self.dim))


def mean(stack: Any) -> torch.Tensor:
    return torch.mean(stack, dim=1)


def mean_kept_off(stack: Any) -> torch.Tensor:
    return torch.mean(stack, dim=1, keepdim=False)


OTHERS: list[Callable[[Any], torch.Tensor]] = [
    lambda stack: torch.mean(stack, dim=0),
    lambda stack: torch.mean(stack, dim=1, keepdim=True),
    lambda stack: torch.mean(stack),
    lambda stack: stack.mean(dim=1),
    lambda stack: stack[:, 1] + torch.sum(stack, dim=1),
    lambda stack: torch.cat([stack, stack], dim=2),
]


@pytest.mark.parametrize("use", [mean, mean_kept_off, *OTHERS])
def test_results_and_gradients_are_those_of_the_stack(use: Callable[[Any], torch.Tensor]) -> None:
    """A mean over something else, or a stack that is used in another way, must be what it was."""
    model = Layered(use)
    stock = model()
    (expected,) = torch.autograd.grad(stock.sin().sum(), [model.weight])
    mean_by_sum(model)
    with means_taken() as taken:
        found = model()
    assert taken == ([4] if use in (mean, mean_kept_off) else [])
    torch.testing.assert_close(found, stock)
    torch.testing.assert_close(torch.autograd.grad(found.sin().sum(), [model.weight])[0], expected)


def test_a_stack_along_another_dimension_is_left_alone() -> None:
    """The mean over dimension 1 of ``[layers, N, d]`` is over nodes."""
    model = Layered(mean, dim=0)
    stock = model()
    mean_by_sum(model)
    assert torch.equal(model(), stock)


def test_copies_use_their_own_weights_and_pickles_are_plain(prepare: Callable[..., Any]) -> None:
    """A function that is bound to the first model would give the copy its results."""
    model = prepare("LightGCN").model
    mean_by_sum(model)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.user_embedding.weight.zero_()
        twin.item_embedding.weight.zero_()
    assert not twin.forward()[0].any()
    assert model.forward()[0].any()
    assert torch.equal(pickle.loads(pickle.dumps(model)).forward()[0], model.forward()[0])
    stock_mean(model)
    assert "forward" not in vars(model)


def test_a_forward_that_somebody_else_put_there_stays(prepare: Callable[..., Any]) -> None:
    """An observer that patched the model before must not be lost."""
    model = prepare("LightGCN").model
    model.forward = other = lambda: None
    mean_by_sum(model)
    stock_mean(model)
    assert model.forward is other
