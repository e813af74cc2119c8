"""What a student loses on each row of a batch, whatever its own loss is."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

__all__ = ["losses_among_targets"]


@torch.no_grad()
def losses_among_targets(read: Callable[[Tensor], Tensor], targets: Tensor, most: int | None = None) -> Tensor:
    """Cross-entropy of each row's target among the batch's distinct ones, less that of chance among as many.

    Batches have more and fewer distinct targets, an epoch's last one perhaps a single one: without the difference, what
    is lost among few would seem to be mastered.

    Args:
        read: scores ``[P, C]`` of items ``[C]`` or ``[P, C]``.
        targets: int64 ``[P]`` item ids.
        most: candidates of a row at most; the distinct targets beside its own are then taken at equal distances.

    Returns:
        float32 ``[P]`` in nats; 0 at chance, below where the student knows something.
    """
    items, column = torch.unique(targets, return_inverse=True)
    if most is None or len(items) <= most:
        whole: Tensor = cross_entropy(read(items).float(), column, reduction="none")
        return whole - math.log(len(items))
    some = items[torch.linspace(0, len(items) - 1, most - 1, device=items.device).long()]
    chosen = torch.cat([targets[:, None], some.expand(len(targets), -1)], dim=1)
    scores = read(chosen).float()
    again = some == targets[:, None]
    scores[:, 1:] = scores[:, 1:].masked_fill(again, -torch.inf)
    chance: Tensor = (most - again.sum(dim=1)).log()
    loss: Tensor = cross_entropy(scores, torch.zeros_like(targets), reduction="none")
    return loss - chance
