"""Whether a model still computes what it did: loss and gradients of a few rows, before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ckd_plugins.host.models import REFUSALS
from ckd_plugins.host.state import preserved

__all__ = ["Undo", "applied", "loss_and_gradients", "shortest_and_longest", "unchanged"]

Undo = Callable[[], None]


def loss_and_gradients(model: Any, batch: Callable[[], Any]) -> list[Tensor]:
    """A model's own loss on a batch, and its gradients, in evaluation mode and with the same random numbers each time.

    Args:
        model: the instance; its gradients and its mode stay as they are.
        batch: makes the batch, of rows on the CPU.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    with preserved(model), torch.enable_grad():
        model.eval()
        torch.manual_seed(0)
        np.random.seed(0)
        loss = model.calculate_loss(batch().to(model.device))
        total = torch.stack([part.reshape(()) for part in loss]).sum() if isinstance(loss, tuple) else loss
        found = torch.autograd.grad(total, parameters, allow_unused=True)
    dense = (torch.zeros_like(p) if g is None else g.to_dense() for g, p in zip(found, parameters, strict=True))
    return [total.detach(), *(g.detach() for g in dense)]


def applied(
    change: Callable[[], Undo | None], model: Any, batch: Callable[[], Any], used: Callable[[], bool] = lambda: True
) -> bool:
    """Make a change to a model if its loss and gradients stay what they are; undo it otherwise.

    Losses must agree to one part in a million, gradients, parameter by parameter, to one in ten thousand of their
    norm: single precision sums in another order.

    Args:
        change: makes it and says how it is undone, or returns ``None`` where it does not apply.
        model: the instance.
        batch: makes a batch of a few rows.
        used: whether the change was of any use there; one that was not is undone, too.
    """
    undo: Undo | None = None
    try:
        before = loss_and_gradients(model, batch)
        undo = change()
        if undo is None:
            return False
        after = loss_and_gradients(model, batch)
    except REFUSALS:
        after = []
    if after and unchanged(before, after) and used():
        return True
    if undo is not None:
        undo()
    return False


def unchanged(before: list[Tensor], after: list[Tensor]) -> bool:
    """Whether two losses with their gradients agree, to the precision that :func:`applied` asks."""
    return all(_same(a, b) for a, b in zip(before, after, strict=True))


def _same(before: Tensor, after: Tensor) -> bool:
    tolerance = 1e-6 if before.dim() == 0 else 1e-4
    difference = (before - after).double().norm()
    return bool(difference <= tolerance * before.double().norm() + 1e-7)  # False for NaN


def shortest_and_longest(lengths: Any, rows: int = 64) -> list[int]:
    """Rows for a check: half of them the shortest, half the longest."""
    order = np.argsort(lengths, kind="stable")
    half = min(rows // 2, (len(order) + 1) // 2)
    return sorted({*order[:half].tolist(), *order[-half:].tolist()})
