from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ckd_plugins.host.speed.softmax import Logits, defer_logits


@pytest.fixture
def factors() -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(7, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    table = torch.randn(11, 3, generator=draw, dtype=torch.float64, requires_grad=True)
    return x, table, torch.tensor([0, 10, 3, 3, 3, 7, 1])


@pytest.mark.parametrize(
    "ask",
    [
        lambda logits: logits[2:5],
        lambda logits: logits[torch.tensor([4, 0])],
        lambda logits: logits[:, torch.tensor([3, 3, 0])],
        lambda logits: logits[1:3].gather(1, torch.tensor([[0, 10], [4, 4]])),
        lambda logits: logits[0, 0],
        lambda logits: logits / 2 + logits,
        lambda logits: torch.softmax(logits, dim=1),
        lambda logits: logits.view(-1),
        lambda logits: F.cross_entropy(logits, torch.arange(7), reduction="none"),
        lambda logits: F.cross_entropy(logits, torch.arange(7), label_smoothing=0.1),
        lambda logits: F.cross_entropy(logits, torch.tensor([0, 1, -100, 3, 4, 5, 6])),
        lambda logits: F.cross_entropy(logits, torch.arange(7), torch.arange(11.0, dtype=torch.float64)),
        lambda logits: nn.NLLLoss()(torch.log_softmax(logits, dim=-1), torch.arange(7)),
    ],
)
def test_whatever_is_asked_of_deferred_logits_is_answered(
    factors: tuple[Tensor, Tensor, Tensor], ask: Callable[[Tensor], Tensor]
) -> None:
    """Models and readers do more with logits than the plain loss; a wrong short cut would go unseen."""
    x, table, _ = factors
    found, wanted = ask(Logits.of(x, table)), ask(x @ table.T)
    found = found.whole() if isinstance(found, Logits) else found
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(
        torch.autograd.grad(found.sum(), (x, table)), torch.autograd.grad(wanted.sum(), (x, table))
    )


def test_shapes_are_known_without_the_product(factors: tuple[Tensor, Tensor, Tensor]) -> None:
    """A reader that looks at the shape must not bring the whole matrix into being."""
    logits = Logits.of(*factors[:2])
    assert isinstance(logits, Tensor)
    assert (logits.shape, logits.dim(), len(logits), logits.size(1)) == ((7, 11), 2, 7, 11)
    assert logits.dtype == torch.float64
    assert logits._whole is None


@pytest.mark.parametrize("model", ["SASRec", "GRU4Rec", "NARM", "STAMP", "FDSA"])
def test_a_models_loss_and_gradients_stay(prepare: Callable[..., Any], model: str) -> None:
    """The student's own objective must not change."""
    run = prepare(model)
    batch = run.splits.train.collate_fn(list(range(50)))
    run.model.eval()
    parameters = list(run.model.parameters())

    def both() -> tuple[Tensor, Any]:
        loss = run.model.calculate_loss(batch)
        return loss, torch.autograd.grad(loss, parameters, allow_unused=True)

    wanted, to_wanted = both()
    assert defer_logits(run.model, run.splits.dataset.item_num) is not None
    found, to_found = both()
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)
    for a, b in zip(to_found, to_wanted, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_logits_of_sasrec_never_exist(prepare: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A condition that never holds would leave the memory as it is, and nobody would notice."""
    run = prepare("SASRec")

    def refuse(self: Logits) -> Tensor:
        raise AssertionError("the whole product was made")

    monkeypatch.setattr(Logits, "whole", refuse)
    defer_logits(run.model, run.splits.dataset.item_num)
    run.model.calculate_loss(run.splits.train.collate_fn(list(range(50)))).backward()


def test_undone_and_copied(prepare: Callable[..., Any]) -> None:
    """A copy whose loss is still the original's would train nothing."""
    run = prepare("SASRec")
    undo = defer_logits(run.model, run.splits.dataset.item_num)
    twin = copy.deepcopy(run.model)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    batch = run.splits.train.collate_fn(list(range(50)))
    assert float(twin.calculate_loss(batch)) != pytest.approx(float(run.model.calculate_loss(batch)), rel=1e-6)
    assert undo is not None
    undo()
    assert "calculate_loss" not in vars(run.model)


def test_models_without_a_softmax_loss_are_left_alone(prepare: Callable[..., Any]) -> None:
    """BPR has no logits over the catalogue."""
    assert defer_logits(prepare("BPR").model, 10) is None
