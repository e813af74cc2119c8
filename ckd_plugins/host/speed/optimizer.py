"""Adam in one operation a parameter instead of ten: a fifth of an epoch of a model as small as BPR."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["fuse_adam"]


def fuse_adam(optimizer: Any) -> bool:
    """Let a stock Adam that has not stepped yet use torch's fused kernel for processors; the same to rounding.

    Args:
        optimizer: as RecBole's trainer made it.

    Returns:
        Whether it does now: not for other optimisers, on GPUs, or in half precision.
    """
    if type(optimizer) is not torch.optim.Adam or optimizer.state:
        return False
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if any(p.device.type != "cpu" or p.dtype not in (torch.float32, torch.float64) for p in parameters):
        return False
    for group in (optimizer.defaults, *optimizer.param_groups):
        if group.get("amsgrad") or group.get("differentiable") or group.get("capturable"):
            return False
    for group in (optimizer.defaults, *optimizer.param_groups):
        group["fused"], group["foreach"] = True, False
    return True
