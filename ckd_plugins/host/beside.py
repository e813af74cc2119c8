"""Parameters that are trained beside a model and belong to no checkpoint of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Adam, Optimizer

__all__ = ["train_beside"]


def train_beside(trainer: Any, parameters: Iterable[nn.Parameter]) -> Adam | None:
    """Let a RecBole trainer's steps train other parameters too: those that a distillation objective has.

    They get an Adam of their own, at the trainer's learning rate and without weight decay, that steps whenever an
    optimizer of the trainer has. In the trainer's own optimizer they would be written into each checkpoint, and RecBole
    would refuse to resume from it. Gradients come with the model's own backward pass.

    Args:
        trainer: any of RecBole's, with all its optimizers.
        parameters: on the model's device.

    Returns:
        The optimizer; ``None`` where no parameter learns.
    """
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    if not learning:
        return None
    beside = Adam(learning, lr=float(trainer.learning_rate))

    def step(*_: Any) -> None:
        found = [p.grad for p in learning if p.grad is not None]
        if found and all(bool(torch.isfinite(gradient).all()) for gradient in found):
            beside.step()
        beside.zero_grad()

    for optimizer in {id(o): o for o in vars(trainer).values() if isinstance(o, Optimizer)}.values():
        optimizer.register_step_post_hook(step)
        # A loss scaler leaves out the trainer's step where gradients overflow; these must not stay for the next batch.
        vars(optimizer)["zero_grad"] = _both(optimizer.zero_grad, beside.zero_grad)
    return beside


def _both(first: Callable[..., None], second: Callable[[], None]) -> Callable[..., None]:
    def call(*args: Any, **kwargs: Any) -> None:
        first(*args, **kwargs)
        second()

    return call
