"""A product by embedding bags is the product."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ckd_plugins.host.speed.products import Factor, multiply


def matrix(kind: str) -> Tensor:
    """``[5, 4]`` or ``[4, 4]`` in double precision; row 2 and column 0 are empty."""
    if kind == "symmetric":
        at = torch.tensor([[1, 2, 1, 3, 3], [2, 1, 3, 1, 3]])
        return torch.sparse_coo_tensor(at, torch.tensor([0.5, 0.5, 2.0, 2.0, -1.0], dtype=torch.double), (4, 4))
    at = torch.tensor([[4, 0, 0, 1, 3, 0], [1, 3, 1, 2, 3, 3]])  # unsorted, and (0, 3) comes twice
    made = torch.sparse_coo_tensor(at, torch.arange(1.0, 7.0, dtype=torch.double), (5, 4))
    return made.to_sparse_csr() if kind == "csr" else made


KINDS = ["unsorted", "csr", "symmetric"]


@pytest.mark.parametrize("kind", KINDS)
def test_product_and_gradients_are_right(kind: str) -> None:
    """A wrong transpose, or a row without entries that shifts the others, trains a model on another graph."""
    dense = torch.randn(4, 3, dtype=torch.double, requires_grad=True)
    factor = Factor(matrix(kind))
    assert (factor.forward is factor.backward) == (kind == "symmetric")
    torch.testing.assert_close(multiply(factor, dense), matrix(kind).to_dense() @ dense)
    assert torch.autograd.gradcheck(lambda x: multiply(factor, x), dense)
    assert torch.autograd.gradgradcheck(lambda x: multiply(factor, x), dense)


@pytest.mark.parametrize("kind", KINDS)
def test_sums_are_coos_bit_for_bit(kind: str) -> None:
    """Another order of adding up is another run after an epoch, and metrics no longer repeat."""
    torch.manual_seed(0)
    sparse = matrix(kind).to_sparse_coo().float()
    at = torch.randint(len(sparse), (200,)), torch.randint(sparse.shape[1], (200,))
    sparse = torch.sparse_coo_tensor(torch.stack(at), torch.randn(200), sparse.shape)
    ours, stock = (torch.randn(sparse.shape[1], 16, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    ours.requires_grad_()
    stock.requires_grad_()
    found, expected = multiply(Factor(sparse), ours), torch.sparse.mm(sparse, stock)
    assert torch.equal(found, expected)
    weight = torch.randn_like(found)
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, stock.grad, rtol=1e-6, atol=1e-6)


def test_a_gradient_that_is_a_view_of_one_number() -> None:
    """The gradient of a sum is one value that is stretched; bags read memory."""
    dense = torch.randn(4, 3, dtype=torch.double, requires_grad=True)
    multiply(Factor(matrix("unsorted")), dense).sum().backward()
    torch.testing.assert_close(dense.grad, matrix("unsorted").to_dense().sum(dim=0)[:, None].expand(4, 3))


def test_a_matrix_without_entries() -> None:
    """A cold start has a graph without edges."""
    empty = torch.sparse_coo_tensor(torch.empty(2, 0, dtype=torch.long), torch.empty(0), (3, 2))
    assert torch.equal(multiply(Factor(empty), torch.ones(2, 5)), torch.zeros(3, 5))
