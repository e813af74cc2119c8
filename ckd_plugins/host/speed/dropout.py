"""Dropout masks from random bits.

torch draws a Bernoulli number for each element, 12 ns each on a processor; that is a quarter of an epoch of SASRec.
Here one 64-bit number serves four elements: an element is dropped if its 16 bits, as a number, lie below ``p``.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["cheap_dropout", "dropout"]

_STEPS = 1 << 16


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        below = round(p * _STEPS)
        n = x.numel()
        bits = torch.empty((n + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        kept = bits.view(torch.int16)[:n].view(x.shape) >= below - _STEPS // 2
        ctx.save_for_backward(kept)
        ctx.scale = _STEPS / (_STEPS - below)
        return (x * kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return (gradient * kept).mul_(ctx.scale), None


def dropout(x: Tensor, p: float) -> Tensor:
    """``torch.nn.functional.dropout(x, p)`` with other random numbers, drawn from torch's own generator.

    Args:
        x: floating point, on the CPU, of any shape.
        p: share that is dropped, in [0, 1), taken to the nearest 65,536th; what is kept is scaled by the inverse of
            exactly that.
    """
    kept: Tensor = _Dropout.apply(x, p)  # type: ignore[no-untyped-call]
    return kept


def _forward(self: nn.Dropout, x: Tensor) -> Tensor:
    if not self.training or round(self.p * _STEPS) in (0, _STEPS) or self.inplace or x.device.type != "cpu":
        return type(self).forward(self, x)
    return dropout(x, self.p)


def cheap_dropout(model: nn.Module) -> Callable[[], None] | None:
    """Let a model's ``nn.Dropout`` modules draw bits; calls of ``functional.dropout`` are left alone.

    Returns:
        A function that undoes it; ``None`` where the model has no such module.
    """
    found = [m for m in model.modules() if type(m) is nn.Dropout and m.p > 0 and "forward" not in vars(m)]
    for module in found:
        vars(module)["forward"] = types.MethodType(_forward, module)

    def undo() -> None:
        for module in found:
            del vars(module)["forward"]

    return undo if found else None
