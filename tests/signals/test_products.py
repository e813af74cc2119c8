"""Inner products of rows with candidates: every way to them gives the same, forwards and backwards."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ckd_plugins.distillation.candidates.base import own_target_first
from ckd_plugins.signals import products as module
from ckd_plugins.signals.products import products, shared_products

N, D = 40, 5


def reference(vectors: Tensor, table: Tensor, candidates: Tensor) -> Tensor:
    """One product at a time."""
    wide = candidates if candidates.ndim == 2 else candidates.expand(len(vectors), -1)
    return torch.stack([torch.stack([v @ table[j] for j in of]) for v, of in zip(vectors, wide, strict=True)])


def made(rows: int = 6) -> tuple[Tensor, Tensor]:
    """Vectors and a table, float64, with gradients."""
    random = torch.Generator().manual_seed(1)
    return tuple(torch.randn(n, D, dtype=torch.float64, generator=random).requires_grad_() for n in (rows, N))  # type: ignore[return-value]


RANDOM = torch.Generator().manual_seed(2)
OWN = torch.tensor([3, 7, 7, 1, 39, 12])
CASES = {
    "one list": torch.tensor([3, 9, 0, 39]),
    "own target, then one list": own_target_first(OWN, torch.tensor([7, 2, 30])).items,
    "repeats": torch.randint(1, 5, (6, 8), generator=RANDOM),
    "each its own": torch.stack([torch.randperm(N, generator=RANDOM)[:3] for _ in range(6)]),
    "alike but for one row in the middle": torch.tensor([[3, 1, 2]] * 3 + [[3, 2, 2]] + [[3, 1, 2]] * 2),
    "one column": OWN[:, None],
}


@pytest.mark.parametrize("cost", [0, 10**6], ids=["gathered", "dense"])
@pytest.mark.parametrize("candidates", CASES.values(), ids=CASES)
def test_all_ways_are_the_products_one_at_a_time(monkeypatch, candidates, cost):
    """Guards against a short way that gives a column another item, or loses a gradient where items repeat."""
    monkeypatch.setattr(module, "_GATHER_COST", cost)
    vectors, table = made()
    found, wanted = products(vectors, table, candidates), reference(vectors, table, candidates)
    torch.testing.assert_close(found, wanted)
    weights = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for mine, theirs in zip(
        torch.autograd.grad((found * weights).sum(), (vectors, table)),
        torch.autograd.grad((wanted * weights).sum(), (vectors, table)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("candidates", [c for c in CASES.values() if c.ndim == 2])
def test_gradients_are_those_of_finite_differences(candidates):
    """Guards against a way back that is right by a reference with the same mistake."""
    vectors, table = made()
    assert torch.autograd.gradcheck(lambda v, t: products(v, t, candidates), (vectors, table))


def test_the_matrix_product_is_for_rows_that_are_alike_only():
    """Guards against a list of one row that is taken for everybody's."""
    vectors, table = made()
    taken = {name for name, c in CASES.items() if c.ndim == 2 and shared_products(vectors, table, c) is not None}
    assert taken == {"own target, then one list", "one column"}


def test_no_rows_have_no_products():
    """Guards against an error in a batch of which no row is distilled."""
    vectors, table = made(rows=0)
    assert products(vectors, table, torch.empty(0, 4, dtype=torch.int64)).shape == (0, 4)


@pytest.mark.parametrize("candidates", CASES.values(), ids=CASES)
def test_mixed_precision_lowers_all_columns_alike(candidates):
    """Guards against scores of two dtypes, or an own target's score that a half-precision student has in single."""
    vectors, table = (t.detach().float() for t in made())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = products(vectors, table, candidates)
        assert found.dtype == (vectors @ table.T).dtype
    torch.testing.assert_close(found.double(), reference(vectors, table, candidates).double(), atol=0.1, rtol=0.05)
