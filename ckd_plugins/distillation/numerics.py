"""Softmaxes over part of the candidates that stay finite, forwards and backwards.

Everything is computed in float32 at least, whatever autocast or a half-precision model hands over: differences of
log-probabilities of unlikely items do not survive 8 bits of mantissa.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ckd_plugins.signals.base import LOG_ZERO

__all__ = ["LOG_FLOOR", "LOG_ZERO", "in_float", "masked_log_softmax", "masked_standardize"]

LOG_FLOOR = -100.0
"""Nats below which a target probability counts as zero where a loss divides by it: one candidate that no trusted
teacher gives any mass would otherwise make the whole batch's loss infinite."""


def in_float(values: Tensor) -> Tensor:
    """Return ``values`` as float32, or unchanged where they are float64."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def masked_log_softmax(logits: Tensor, mask: Tensor | None = None) -> Tensor:
    """Log-softmax over the last dimension, restricted to the allowed entries.

    Args:
        logits: ``[..., C]``.
        mask: bool, broadcastable to ``logits``; ``False`` = not allowed. ``None`` allows everything.

    Returns:
        ``[..., C]`` in float32 (float64 stays). Entries that are not allowed hold :data:`LOG_ZERO`, and no gradient
        reaches them.
    """
    logits = in_float(logits)
    if mask is None:
        return torch.log_softmax(logits, dim=-1)
    lowest = torch.finfo(logits.dtype).min
    return torch.log_softmax(logits.masked_fill(~mask, lowest), dim=-1).masked_fill(~mask, LOG_ZERO)


def masked_standardize(values: Tensor, mask: Tensor | None = None, *, eps: float = 1e-6) -> Tensor:
    """Subtract the mean and divide by ``sqrt(variance + eps)`` over the allowed entries of the last dimension.

    ``eps`` inside the root keeps the gradient finite where all values are equal.

    Args:
        values: ``[..., C]``.
        mask: bool, broadcastable to ``values``; ``None`` allows everything.
        eps: added to the variance.

    Returns:
        ``[..., C]``, 0 where not allowed.
    """
    values = in_float(values)
    if mask is None:
        centred = values - values.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return centred * torch.rsqrt(variance + eps)
    count = mask.sum(dim=-1, keepdim=True).clamp_min(1)
    mean = values.masked_fill(~mask, 0.0).sum(dim=-1, keepdim=True) / count
    centred = (values - mean).masked_fill(~mask, 0.0)
    variance = centred.square().sum(dim=-1, keepdim=True) / count
    return centred * torch.rsqrt(variance + eps)
