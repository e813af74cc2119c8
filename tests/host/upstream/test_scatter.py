"""The stand-in for torch_scatter, against loops."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.host.upstream.scatter import module, scatter_mean, scatter_softmax

SRC = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
INDEX = torch.tensor([2, 0, 2, 0, 4, 2, 4])


def groups() -> list[torch.Tensor]:
    return [SRC[g == INDEX] for g in range(6)]


def test_mean_is_each_groups_mean_and_0_where_there_is_none() -> None:
    """KGIN averages neighbours: an entity without any must stay 0, as torch_scatter has it."""
    found = scatter_mean(SRC, INDEX, dim=0, dim_size=6)
    for group, mean in zip(groups(), found, strict=True):
        torch.testing.assert_close(mean, group.mean(0) if len(group) else torch.zeros(3, dtype=torch.float64))


def test_softmax_is_each_groups_softmax() -> None:
    """MCCLK weighs neighbours by it."""
    found = scatter_softmax(SRC, INDEX, dim=0)
    for group, share in zip(groups(), (found[g == INDEX] for g in range(6)), strict=True):
        torch.testing.assert_close(share, group.softmax(0))


def test_softmax_of_extreme_values_is_finite() -> None:
    """Exp of an unshifted score overflows."""
    found = scatter_softmax(torch.tensor([1e4, -1e4, 1e4]), torch.tensor([0, 0, 1]))
    assert found.tolist() == [1.0, 0.0, 1.0]


def test_gradients_are_those_of_the_definition() -> None:
    """A stand-in that scores alike and learns otherwise."""
    src = SRC.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: scatter_mean(s, INDEX, dim=0, dim_size=6), src)
    assert torch.autograd.gradcheck(lambda s: scatter_softmax(s, INDEX, dim=0), src)


def test_an_index_of_full_shape_and_a_negative_dimension() -> None:
    """RecBole's two models call it in both ways."""
    whole = INDEX[:, None].expand_as(SRC)
    assert torch.equal(scatter_mean(SRC, whole, dim=0), scatter_mean(SRC, INDEX, dim=0))
    assert torch.equal(scatter_mean(SRC.T, INDEX, dim=-1), scatter_mean(SRC, INDEX, dim=0).T)


def test_what_recbole_never_asks_is_refused() -> None:
    """A stand-in that quietly ignores an argument."""
    with pytest.raises(NotImplementedError, match="no 'out'"):
        scatter_mean(SRC, INDEX, dim=0, out=torch.zeros(6, 3))
    assert {"scatter_mean", "scatter_softmax"} <= set(vars(module()))
