from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ckd_plugins.teachers.fitting import Schedule
from ckd_plugins.teachers.history import History
from ckd_plugins.teachers.recformer.examples import Batch, Rows
from ckd_plugins.teachers.recformer.matching import Matcher, sequences
from ckd_plugins.teachers.recformer.net import Net
from ckd_plugins.teachers.recformer.shape import NetShape
from ckd_plugins.teachers.recformer.stages import Stages
from ckd_plugins.teachers.recformer.tokens import ItemTokens

SHAPE = NetShape(30, 16, 1, 2, 24, 40, 6, 0, 1, "gelu", 1e-5, None, "mean", projection=False)
LENGTHS = [3, 0, 4, 2, 5]


def matcher() -> Matcher:
    torch.manual_seed(0)
    offsets = np.cumsum([0, *LENGTHS])
    ids = np.random.default_rng(0).integers(2, 30, offsets[-1]).astype(np.int32)
    tokens = ItemTokens(ids, np.full(len(ids), 2, np.uint8), np.ones(len(ids), bool), offsets)
    return Matcher(Net(SHAPE, 0.0), tokens, 30, 0.05, low_precision=False)


ROWS = Rows(np.array([0, 2, 3, 4]), np.array([0, 0, 0]), np.array([1, 2, 3]), np.array([2, 3, 4]))


def run(
    model: Matcher, scores: list[float], *, epochs: int = 5, second: int = 2, rate: float = 0.0
) -> tuple[History, list[torch.Tensor], list[list[torch.Tensor]]]:
    """The history, and after each epoch the item vectors and all weights."""
    tables: list[torch.Tensor] = []
    weights: list[list[torch.Tensor]] = []
    left = iter(scores)

    def batches() -> Iterator[Batch]:
        yield ROWS.batch(np.arange(3))

    def validate() -> float:
        tables.append(model.table.detach().clone())
        weights.append([p.detach().clone() for p in model.net.parameters()])
        return next(left)

    stages = Stages(Schedule("finetune", epochs, 0.01, patience=9), second, 9, rate)
    return stages.run(model, batches, 1, validate, None), tables, weights


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_first_stage_encodes_items_anew_and_the_second_keeps_them() -> None:
    """Vectors that never follow the network, or always do, are one-stage fine-tuning."""
    model = matcher()
    _, tables, weights = run(model, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert not torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[1], tables[2])
    assert torch.equal(tables[2], tables[3])
    assert torch.equal(tables[3], tables[4])
    assert not same(weights[3], weights[4])
    assert same(list(model.net.parameters()), weights[4])


def test_the_second_stage_starts_from_the_best_epoch_with_its_item_vectors() -> None:
    """Weights of one epoch beside vectors of another were never validated together."""
    model = matcher()
    history, tables, weights = run(model, [0.1, 0.6, 0.3, 0.2, 0.4])
    assert torch.equal(tables[3], tables[1])
    assert torch.equal(model.table, tables[1])
    assert same(list(model.net.parameters()), weights[1])
    assert (history.best, history.valid, len(history.epochs)) == (2, 0.6, 5)


def test_item_vectors_are_trained_only_where_asked_for() -> None:
    """They are each item's text and nothing else, as published, unless the option says otherwise."""
    model = matcher()
    history, tables, _ = run(model, [0.1, 0.2, 0.3, 0.4, 0.5], rate=2.0)
    assert not torch.equal(tables[2], tables[3])
    assert not torch.equal(tables[3], tables[4])
    torch.testing.assert_close(model.table, F.normalize(tables[4], dim=-1))
    assert not model.table.requires_grad
    assert history.best == 5


def test_item_vectors_turn_as_much_faster_as_asked_for() -> None:
    """One rate for both leaves items where they are or shakes a language model out of what it knows."""
    turned = []
    for rate in (1.0, 8.0):
        model = matcher()
        _, tables, _ = run(model, [0.1, 0.2], epochs=2, second=1, rate=rate)
        turned.append(1 - torch.cosine_similarity(tables[0], tables[1], dim=1)[[0, 2, 3, 4]].mean().item())
    assert turned[1] > 10 * turned[0] > 0


def test_without_validation_the_last_epoch_is_kept() -> None:
    """A domain may have nothing held out."""
    model = matcher()
    stages = Stages(Schedule("finetune", 3, 0.01), 1, 3)
    history = stages.run(model, lambda: iter([ROWS.batch(np.arange(3))]), 1, None, None)
    assert (history.best, history.valid, len(history.epochs)) == (3, None, 3)


def test_no_epochs_still_encode_the_items() -> None:
    """Zero-shot use: fine-tuning with no epochs only binds a pre-trained teacher to a domain."""
    model = matcher()
    history, *_ = run(model, [], epochs=0, second=0)
    assert history.best == 0
    lengths = model.table.norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0]))


def test_the_loss_is_cross_entropy_over_cosines_of_items_with_text() -> None:
    """In float64 and by loops; the item without text must be no candidate, and indices shift by it."""
    model = matcher().double().eval()
    model.refresh()
    batch = ROWS.batch(np.arange(3))
    losses = []
    with torch.no_grad():
        for items, target in zip(batch.items, batch.target, strict=True):
            state = F.normalize(model.read(items[None, items > 0], history=True).double()[0], dim=0)
            logits = [state @ F.normalize(model.table[i], dim=0) / 0.05 for i in (0, 2, 3, 4)]
            losses.append(torch.logsumexp(torch.stack(logits), 0) - logits[[0, 2, 3, 4].index(target)])
        got = model.loss(batch)
    assert float(got) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-4)


def test_item_vectors_are_of_single_items() -> None:
    """An item is read as a sequence of one."""
    model = matcher().eval()
    model.refresh()
    with torch.no_grad():
        alone = model.read(np.array([[5]]), history=False)[0]
    torch.testing.assert_close(model.table[4], F.normalize(alone, dim=0))


def test_sequences_leave_out_items_without_text() -> None:
    """A target without text cannot be predicted, and bounds must shift with what is left out."""
    tokens = matcher().tokens
    offsets, flat = sequences(np.array([0, 3, 5, 6]), np.array([0, 1, 2, 1, 1, 4]), tokens, "d")
    assert (offsets.tolist(), flat.tolist()) == ([0, 2, 2, 3], [0, 2, 4])
