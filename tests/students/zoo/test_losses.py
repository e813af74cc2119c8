"""The zoo's losses against their equations, written out in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ckd_plugins.students.zoo.losses import calibration, gbce, item_loss, sampled_softmax, softmax

N, K, D, P = 50, 7, 4, 6


@pytest.fixture
def scores() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    positive = torch.randn(P, generator=generator, dtype=torch.float64, requires_grad=True)
    negative = torch.randn(P, K, generator=generator, dtype=torch.float64, requires_grad=True)
    return positive, negative


@pytest.mark.parametrize("t", [0.0, 0.3, 0.75, 1.0])
def test_gbce_is_the_papers_equation(scores: tuple[torch.Tensor, torch.Tensor], t: float) -> None:
    """gSASRec, equation 9, with beta as in section 5.2: a power in the wrong place learns another loss."""
    positive, negative = scores
    rate = K / (N - 1)
    beta = rate * (t * (1 - 1 / rate) + 1 / rate)
    sigma = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    plus, minus = sigma(positive.detach().numpy()), sigma(negative.detach().numpy())
    expected = -(np.log(plus**beta) + np.log(1 - minus).sum(axis=1)).mean() / (K + 1)
    assert calibration(K, N, t) == pytest.approx(beta)
    assert float(gbce(positive, negative, calibration(K, N, t))) == pytest.approx(expected, rel=1e-12)


def test_calibrations_ends_are_plain_and_full() -> None:
    """T = 0 must be binary cross-entropy, t = 1 the sampling rate."""
    assert calibration(K, N, 0.0) == pytest.approx(1.0)
    assert calibration(K, N, 1.0) == pytest.approx(K / (N - 1))


def test_sampled_softmax_with_every_item_is_the_full_softmax() -> None:
    """A correction of the wrong size: with all other items as negatives nothing is estimated."""
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(N + 1, D, generator=generator, dtype=torch.float64)
    states = torch.randn(P, D, generator=generator, dtype=torch.float64)
    targets = torch.tensor([1, 2, 3, 50, 7, 7])
    every = states @ table[1:].T
    others = torch.stack([torch.cat([row[: t - 1], row[t:]]) for row, t in zip(every, targets, strict=True)])
    estimated = sampled_softmax(every.gather(1, targets[:, None] - 1)[:, 0], others, N)
    assert float(softmax(states, table, targets)) == pytest.approx(float(estimated), rel=1e-12)


def test_sampled_softmax_is_its_equation(scores: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Each negative stands for (n - 1) / k items."""
    positive, negative = (s.detach().numpy() for s in scores)
    mass = np.exp(positive) + np.exp(negative).sum(axis=1) * (N - 1) / K
    assert float(sampled_softmax(*scores, N)) == pytest.approx(-(positive - np.log(mass)).mean(), rel=1e-12)


def test_gradients(scores: tuple[torch.Tensor, torch.Tensor]) -> None:
    """A loss whose gradient is not its own derivative."""
    assert torch.autograd.gradcheck(lambda p, n: gbce(p, n, 0.4), scores)
    assert torch.autograd.gradcheck(lambda p, n: sampled_softmax(p, n, N), scores)


@pytest.mark.parametrize("kind", ["gbce", "sampled_softmax"])
def test_a_negative_that_is_the_target_does_not_count(kind: str) -> None:
    """A catalogue of two items: without the mask, every second negative would push the target down."""
    torch.manual_seed(0)
    table = torch.tensor([[0.0], [5.0], [-5.0]], requires_grad=True)
    states, targets = torch.ones(3, 1), torch.ones(3, dtype=torch.long)
    loss = item_loss(kind, states, table, targets, n_negatives=64)  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad(loss, table)
    assert math.isfinite(float(loss))
    assert float(gradient[1]) <= 0 <= float(gradient[2])
    assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("kind", ["gbce", "sampled_softmax", "softmax"])
def test_extreme_scores_stay_finite(kind: str, size: float) -> None:
    """The paper's code takes the power of a probability, which is 0 or 1 here, and clamps."""
    torch.manual_seed(0)
    table = torch.tensor([[0.0], [1.0], [-1.0], [0.5]])
    states = torch.full((2, 1), size, requires_grad=True)
    loss = item_loss(kind, states, table, torch.tensor([1, 2]), n_negatives=8)  # type: ignore[arg-type]
    loss.backward()
    assert math.isfinite(float(loss))
    assert states.grad is not None
    assert bool(torch.isfinite(states.grad).all())


def test_negatives_are_never_padding() -> None:
    """Item 0 is no item: as a negative it would learn a vector, and be ranked."""
    torch.manual_seed(0)
    table = torch.randn(4, 2, requires_grad=True)
    item_loss("gbce", torch.randn(5, 2), table, torch.tensor([1, 2, 3, 1, 2]), n_negatives=200).backward()
    assert table.grad is not None
    assert bool((table.grad[0] == 0).all())
    assert bool((table.grad[1:] != 0).all())
