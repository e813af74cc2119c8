"""How much a forward pass keeps for its backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Saved", "saved_for_backward"]


class Saved:
    """Bytes of the tensors that autograd saved, each storage once."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}

    @property
    def bytes(self) -> int:
        """Their sum."""
        return sum(self.sizes.values())


@contextmanager
def saved_for_backward(model: nn.Module) -> Iterator[Saved]:
    """Count what is saved inside, the model's own parameters and buffers left out.

    The count depends on shapes alone, so that what is decided by it is decided alike on every machine.
    """
    saved = Saved()
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers()) if t.layout is torch.strided}
    kept: list[Tensor] = []  # a storage that is freed inside would give its address to the next one

    def pack(tensor: Tensor) -> Tensor:
        if tensor.layout is torch.strided:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                saved.sizes[storage.data_ptr()] = storage.nbytes()
                kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield saved
