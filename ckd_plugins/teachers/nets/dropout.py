"""Dropout whose masks cost a quarter of the random numbers.

On a processor PyTorch draws one number of 64 bits for each element, which took a quarter of a small teacher's training.
Here one draw serves four elements; the probability is a multiple of 2^-16.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Dropout"]

_LEVELS = 1 << 16
_LEAST = -(1 << 63)


class Dropout(nn.Module):
    """Zero each element with probability ``p`` and scale the others by ``1 / (1 - p)``, in training only."""

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout must be in [0, 1), not {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """``[...] -> [...]``."""
        if not self.training or not self.p:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        dropped = round(self.p * _LEVELS)
        bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(_LEAST, None).view(torch.int16)
        kept = bits[: x.numel()].view(x.shape) >= dropped - _LEVELS // 2
        return x * kept.to(x.dtype).mul_(_LEVELS / (_LEVELS - dropped))

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"
