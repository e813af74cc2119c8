"""The student's own loss, and what is added to it, are what the whole matrix would give."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ckd_plugins.host.speed import cross_entropy
from ckd_plugins.host.speed.cross_entropy import linear_cross_entropy, shared_softmax

Factors = tuple[Tensor, Tensor, Tensor]


@pytest.fixture
def factors() -> Factors:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(7, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    table = torch.randn(11, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    return x, table, torch.tensor([0, 10, 3, 3, 3, 7, 1])


@pytest.fixture
def soft() -> tuple[Tensor, Tensor]:
    """Lists with the row's own target, without it, with padding, and an empty one."""
    ids = torch.tensor([[0, 4, 9], [1, 2, 3], [3, 5, 0], [3, 1, 2], [9, 8, 7], [1, 0, 0], [0, 0, 0]])
    weights = torch.rand(7, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights[2, 2] = weights[5, 1:] = weights[6] = 0
    return ids, weights


@pytest.mark.parametrize("chunk", [1, 25, 10**6])
def test_the_chunked_loss_is_cross_entropy(
    factors: tuple[Tensor, Tensor, Tensor], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of rows that do not add up, or a target counted twice, would train another model."""
    monkeypatch.setattr(cross_entropy, "_CHUNK", chunk)
    x, table, target = factors
    wanted = F.cross_entropy(x @ table.T, target)
    found = linear_cross_entropy(x, table, target)
    torch.testing.assert_close(found, wanted)
    for a, b in zip(
        torch.autograd.grad(3 * found, (x, table)), torch.autograd.grad(3 * wanted, (x, table)), strict=True
    ):
        torch.testing.assert_close(a, b)
    assert torch.autograd.gradcheck(lambda x, table: linear_cross_entropy(x, table, target), (x, table))


def test_large_scores_do_not_overflow() -> None:
    """The exponential of a score of 1,000 is infinite in single precision."""
    x, table = torch.full((2, 1), 1000.0, requires_grad=True), torch.tensor([[1.0], [0.5], [-1.0]])
    torch.testing.assert_close(
        linear_cross_entropy(x, table, torch.tensor([0, 1])), F.cross_entropy(x @ table.T, torch.tensor([0, 1]))
    )


@pytest.mark.parametrize("chunk", [1, 25, 10**6])
def test_soft_targets_are_a_cross_entropy_of_their_own(
    factors: Factors, soft: tuple[Tensor, Tensor], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list scattered onto another row, or a normaliser weighed once instead of with the list, teaches nonsense."""
    monkeypatch.setattr(cross_entropy, "_CHUNK", chunk)
    x, table, target = factors
    ids, weights = soft

    def loss(x: Tensor, table: Tensor) -> Tensor:
        with shared_softmax(ids, weights):
            return linear_cross_entropy(x, table, target)

    log_q = torch.log_softmax(x @ table.T, dim=1)
    rows = -(weights * log_q.gather(1, ids)).sum(dim=1)
    wanted = F.cross_entropy(x @ table.T, target) + rows.sum()
    with shared_softmax(ids, weights) as shared:
        found = linear_cross_entropy(x, table, target)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(shared.loss, rows.detach())
    for a, b in zip(
        torch.autograd.grad(3 * found, (x, table)), torch.autograd.grad(3 * wanted, (x, table)), strict=True
    ):
        torch.testing.assert_close(a, b)
    assert torch.autograd.gradcheck(loss, (x, table))


def test_the_first_softmax_of_as_many_rows_takes_them_and_no_other(
    factors: Factors, soft: tuple[Tensor, Tensor]
) -> None:
    """Auxiliary losses (contrastive terms, other heads) must not be distilled a second time."""
    x, table, target = factors
    with shared_softmax(*soft) as shared:
        linear_cross_entropy(x[:4], table, target[:4])
        assert shared.loss is None
        linear_cross_entropy(x, table, target)
        assert shared.loss is not None
        again = linear_cross_entropy(x, table, target)
    torch.testing.assert_close(again, linear_cross_entropy(x, table, target))


def test_nothing_is_taken_outside(factors: Factors, soft: tuple[Tensor, Tensor]) -> None:
    """Validation losses and the next batch would carry this batch's targets."""
    x, table, target = factors
    with pytest.raises(KeyError), shared_softmax(*soft):
        raise KeyError
    torch.testing.assert_close(linear_cross_entropy(x, table, target), F.cross_entropy(x @ table.T, target))
