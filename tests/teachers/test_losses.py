from __future__ import annotations

import numpy as np
import pytest
import torch

from ckd_plugins.teachers.losses import alignment, cosine_cross_entropy, in_batch_contrastive

TAU = 0.07


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("extra", [False, True])
def test_contrastive_loss_equals_its_definition(published: bool, extra: bool) -> None:
    """Rows with the same target drop out, or count as e^0 as published; a wrong mask still trains, only worse."""
    rng = np.random.default_rng(0)
    anchors, positives, more = rng.standard_normal((3, 6, 5))
    target = np.array([3, 1, 3, 2, 3, 0])
    losses = []
    for j in range(6):
        a = unit(anchors[j])
        terms = []
        for other in range(6):
            if other != j and target[other] == target[j]:
                terms += [1.0] if published else []
            else:
                terms.append(np.exp(a @ unit(positives[other]) / TAU))
        terms += [np.exp(a @ unit(more[j]) / TAU)] if extra else []
        losses.append(-np.log(np.exp(a @ unit(positives[j]) / TAU) / sum(terms)))
    value = in_batch_contrastive(
        torch.tensor(anchors), torch.tensor(positives), torch.tensor(target), TAU,
        published=published, extra=torch.tensor(more) if extra else None,
    )  # fmt: skip
    assert value.item() == pytest.approx(np.mean(losses), rel=1e-10)


def test_masked_rows_give_no_gradient() -> None:
    """A repeated target is no negative: its vector must not be pushed away."""
    anchors, positives = torch.randn(2, 2, 4, dtype=torch.float64)
    positives.requires_grad_()
    in_batch_contrastive(anchors, positives, torch.tensor([5, 5]), TAU).backward()
    assert torch.allclose(positives.grad, torch.zeros_like(positives), atol=1e-12)


def test_cross_entropy_equals_its_definition() -> None:
    """The temperature must divide once."""
    rng = np.random.default_rng(1)
    states, items, target = rng.standard_normal((4, 5)), rng.standard_normal((7, 5)), np.array([0, 6, 3, 3])
    logits = unit(states) @ unit(items).T / TAU
    wanted = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(4), target])
    value = cosine_cross_entropy(torch.tensor(states), torch.tensor(items), torch.tensor(target), TAU)
    assert value.item() == pytest.approx(wanted, rel=1e-10)


def test_alignment_equals_its_definition() -> None:
    """One direction alone lets all images fall on one text; the mean must be over both."""
    rng = np.random.default_rng(2)
    left, right = rng.standard_normal((2, 5, 4))
    cosines = unit(left) @ unit(right).T / TAU
    total = 0.0
    for j in range(5):
        total -= np.log(np.exp(cosines[j, j]) / sum(np.exp(cosines[j, i]) for i in range(5)))
        total -= np.log(np.exp(cosines[j, j]) / sum(np.exp(cosines[i, j]) for i in range(5)))
    value = alignment(torch.tensor(left), torch.tensor(right), TAU)
    assert value.item() == pytest.approx(total / 10, rel=1e-10)


def test_alignment_has_the_gradient_of_its_definition() -> None:
    """And a batch in which no item has both modalities must give 0, not the NaN of an empty mean."""
    left, right = torch.randn(2, 4, 3, dtype=torch.float64).unbind()
    assert torch.autograd.gradcheck(lambda a, b: alignment(a, b, 0.5), (left.requires_grad_(), right.requires_grad_()))
    none = torch.zeros(0, 3, requires_grad=True)
    value = alignment(none, none, TAU)
    value.backward()
    assert value.item() == 0
