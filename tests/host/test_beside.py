from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from ckd_plugins.host.beside import train_beside


def setting(**more: Any) -> tuple[Any, nn.Linear, nn.Parameter]:
    model, other = nn.Linear(2, 1), nn.Parameter(torch.tensor([3.0, -3.0]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return SimpleNamespace(optimizer=optimizer, learning_rate=0.5, **more), model, other


def step(trainer: Any, loss: torch.Tensor) -> None:
    trainer.optimizer.zero_grad()
    loss.backward()
    trainer.optimizer.step()


def test_they_move_with_each_step_and_no_gradient_stays() -> None:
    """Nobody else steps them, and RecBole's zero_grad does not know them: gradients of all batches would pile up."""
    trainer, model, other = setting()
    reference = nn.Parameter(other.detach().clone())
    adam = torch.optim.Adam([reference], lr=0.5)
    train_beside(trainer, [other])
    for at in range(3):
        step(trainer, model(torch.ones(2)).sum() + (other - at).square().sum())
        adam.zero_grad()
        (reference - at).square().sum().backward()
        adam.step()
        assert torch.equal(other, reference)
        assert other.grad is None


def test_gradients_of_a_step_that_was_left_out_are_gone() -> None:
    """A loss scaler skips a step whose gradients overflow: at the old scale they came on top of the next batch's."""
    trainer, model, other = setting()
    train_beside(trainer, [other])
    trainer.optimizer.zero_grad()
    (1024 * other.sum()).backward()
    step(trainer, model(torch.ones(2)).sum())
    assert other.tolist() == [3.0, -3.0]


def test_the_trainers_checkpoint_stays_its_own() -> None:
    """With a second group RecBole refuses to resume: its optimizer has one."""
    trainer, model, other = setting()
    step(trainer, model(torch.ones(2)).sum())
    before = trainer.optimizer.state_dict()
    assert train_beside(trainer, [other]) is not None
    step(trainer, model(torch.ones(2)).sum() + other.sum())
    after = trainer.optimizer.state_dict()
    assert after == before


def test_every_optimizer_of_the_trainer_counts_once() -> None:
    """RecVAE's trainer has one for each half of the model, and names the one in use twice."""
    second = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    trainer, _, other = setting(encoder=second, decoder=second)
    train_beside(trainer, [other])
    seen = other.detach().clone()
    other.sum().backward()
    second.step()
    torch.testing.assert_close(other.detach(), seen - 0.5, atol=1e-6, rtol=0)


def test_an_overflow_is_dropped() -> None:
    """A loss scaler's first guesses overflow; Adam's moments would be NaN from then on."""
    trainer, model, other = setting()
    train_beside(trainer, [other])
    step(trainer, (other * float("inf")).sum() + model(torch.ones(2)).sum() * 0)
    assert other.tolist() == [3.0, -3.0]
    step(trainer, other.square().sum())
    assert torch.isfinite(other).all()
    assert other.tolist() != [3.0, -3.0]


def test_nothing_to_learn_is_no_optimizer() -> None:
    """Every plain run has an objective without parameters, and no batch of it should pay."""
    trainer, _, _ = setting()
    assert train_beside(trainer, []) is None
    assert train_beside(trainer, [nn.Parameter(torch.ones(1), requires_grad=False)]) is None
    assert not trainer.optimizer._optimizer_step_post_hooks
