from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ckd_plugins.teachers.recformer.contrast import Pretraining
from ckd_plugins.teachers.recformer.examples import Rows
from ckd_plugins.teachers.recformer.net import Net
from ckd_plugins.teachers.recformer.shape import NetShape
from ckd_plugins.teachers.recformer.tokens import ItemTokens

SHAPE = NetShape(30, 16, 1, 2, 24, 40, 6, 0, 1, "gelu", 1e-5, None, "mean", projection=False)
ROWS = Rows(np.array([0, 1, 2, 3]), np.array([0, 0, 1]), np.array([2, 3, 3]), np.array([3, 2, 3]))


def task(weight: float, *, separate: bool = True, vocabulary: int | None = None) -> Pretraining:
    torch.manual_seed(0)
    offsets = np.cumsum([0, 3, 2, 4, 2])
    ids = np.random.default_rng(0).integers(5, 30, offsets[-1]).astype(np.int32)
    tokens = ItemTokens(ids, np.full(len(ids), 2, np.uint8), np.ones(len(ids), bool), offsets)
    net = Net(SHAPE, 0.0).eval()
    return Pretraining(
        net,
        tokens,
        30,
        low_precision=False,
        temperature=0.05,
        masked_weight=weight,
        masked_share=0.4,
        mask=4,
        separate=separate,
        vocabulary=vocabulary,
    )


def by_loops(model: Pretraining) -> float:
    """The item-item contrast in float64."""
    batch = ROWS.batch(np.arange(3))
    with torch.no_grad():
        states = [model.read(i[None, i > 0], history=True)[0].double() for i in batch.items]
        items = [model.read(np.array([[t + 1]]), history=False)[0].double() for t in batch.target]
    total = 0.0
    for row, state in enumerate(states):
        logits = {
            j: torch.cosine_similarity(state, items[j], dim=0) / 0.05
            for j in range(3)
            if j == row or batch.target[j] != batch.target[row]
        }
        total += float(torch.logsumexp(torch.stack(list(logits.values())), 0) - logits[row])
    return total / 3


def test_contrast_is_that_of_loops_in_float64() -> None:
    """Two rows predict one item: it must be no negative of itself."""
    model = task(0.0)
    assert float(model.loss(ROWS.batch(np.arange(3))).detach()) == pytest.approx(by_loops(model), rel=1e-4)


def test_masked_words_come_with_their_weight_and_leave_the_contrast_alone() -> None:
    """In a pass of their own they change nothing else, on both sides."""
    batch, losses = ROWS.batch(np.arange(3)), []
    for weight in (0.1, 1.1):
        model = task(weight)
        torch.manual_seed(3)
        losses.append(float(model.loss(batch).detach()))
    words = losses[1] - losses[0]
    assert losses[0] - 0.1 * words == pytest.approx(by_loops(task(0.0)), rel=1e-3)
    assert words == pytest.approx(2 * np.log(len(task(0.1).words)), rel=0.1)  # an untrained head guesses, on two sides


def test_one_pass_compares_masked_texts() -> None:
    """Half the cost; the contrast is then another one."""
    batch = ROWS.batch(np.arange(3))
    losses = []
    for separate in (True, False):
        model = task(1e-9, separate=separate)
        torch.manual_seed(3)
        losses.append(float(model.loss(batch).detach()))
    assert abs(losses[0] - losses[1]) > 1e-3


def test_words_are_told_from_those_of_the_texts_or_from_all() -> None:
    """A softmax over thirty thousand words costs more than a small encoder."""
    assert torch.equal(task(1.0).words, torch.from_numpy(np.unique(task(1.0).tokens.ids).astype(np.int64)))
    assert torch.equal(task(1.0, vocabulary=30).words, torch.arange(30))


def test_gradients_reach_both_sides_and_not_the_words() -> None:
    """Fine-tuning keeps item vectors fixed; pre-training must move them."""
    model = task(0.1)
    model.loss(ROWS.batch(np.arange(3))).backward()
    assert model.net.embeddings.word_embeddings.weight.grad is None
    without = {n for n, p in model.net.named_parameters() if p.requires_grad and p.grad is None}
    assert not without
    assert F.normalize(model.net.encoder.layer[0].output.dense.weight.grad.flatten(), dim=0).isfinite().all()
