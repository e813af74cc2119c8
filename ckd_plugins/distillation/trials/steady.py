"""What trials have in common: when two tensors differ, and how their shapes are told."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["CLOSE", "differs", "shape_of"]

CLOSE = 1e-3
"""What numbers may be off by, relative or absolute: sums of many in single precision."""


def differs(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors differ by more than rounding."""
    return one.shape != other.shape or not torch.allclose(one.detach(), other.detach(), rtol=CLOSE, atol=CLOSE)


def shape_of(value: object) -> object:
    """The shape, or what has none."""
    return tuple(value.shape) if isinstance(value, Tensor) else f"none, being a {type(value).__name__}"
