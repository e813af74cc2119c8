"""Keep a model, and the random numbers of the process, as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ckd_plugins.host.randomness import random_states_kept

__all__ = ["forked_rng", "frozen_statistics", "override", "preserved", "without_caches"]


@contextmanager
def override(obj: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute on the instance for a while; its ``__dict__`` is as before afterwards."""
    had, before = name in vars(obj), vars(obj).get(name)
    vars(obj)[name] = value
    try:
        yield
    finally:
        if had:
            vars(obj)[name] = before
        else:
            vars(obj).pop(name, None)


@contextmanager
def forked_rng(model: nn.Module) -> Iterator[None]:
    """Give back the generators of torch (the model's devices too), numpy and Python as they were.

    A pass that the plain run does not make must not shift the random numbers of those that it does make.
    """
    devices = {p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"}
    with random_states_kept(sorted(devices)):
        yield


def _cache_names(model: Any) -> list[str]:
    return [n for n in vars(model) if n.startswith("restore_") or n == "i_embedding"]


@contextmanager
def without_caches(model: Any) -> Iterator[None]:
    """Empty the caches that RecBole's models fill in ``full_sort_predict``, before and after.

    LightGCN, NGCF, KGAT and kin keep ``restore_user_e`` / ``restore_item_e`` / ``restore_entity_e``, DMF keeps
    ``i_embedding``: after an optimiser step they are stale, and under grad they hold a graph that is used up.
    """
    for name in _cache_names(model):
        vars(model)[name] = None
    try:
        yield
    finally:
        for name in _cache_names(model):
            vars(model)[name] = None


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Let batch normalisation normalise by the batch, but not count an extra pass in its running statistics.

    Buffers are swapped rather than restored in place: autograd holds the originals for the pass before.
    """
    swapped: list[tuple[nn.Module, dict[str, Any]]] = []
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.training:
            swapped.append((module, dict(module._buffers)))
            module._buffers.update({k: None if b is None else b.clone() for k, b in module._buffers.items()})
    try:
        yield
    finally:
        for module, buffers in swapped:
            module._buffers.update(buffers)


@contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """Restore a model bit for bit: modes, buffers, counters, caches, tensors that are no parameters, and the RNG.

    Parameters are not copied; nothing inside may step an optimiser.
    """
    modules = list(model.modules())
    attributes = [(dict(vars(m)), dict(m._buffers)) for m in modules]
    saved: dict[int, tuple[Any, Any]] = {}
    for plain, buffers in attributes:
        for value in (*plain.values(), *buffers.values()):
            if isinstance(value, np.ndarray):
                saved[id(value)] = (value, value.copy())
            elif isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.requires_grad:
                saved[id(value)] = (value, value.clone())
    try:
        with forked_rng(model):
            yield
    finally:
        for module, (plain, buffers) in zip(modules, attributes, strict=True):
            vars(module).clear()
            vars(module).update(plain)
            module._buffers.clear()
            module._buffers.update(buffers)
        with torch.no_grad():
            for value, copy in saved.values():
                if isinstance(value, np.ndarray):
                    value[...] = copy
                elif not torch.equal(value, copy):
                    value.copy_(copy)
