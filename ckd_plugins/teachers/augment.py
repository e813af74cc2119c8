"""Augmented sequences and items for contrastive pre-training."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["drop_items", "drop_modality"]


def drop_items(items: Tensor, ratio: float) -> Tensor:
    """Return right-padded sequences with each item but the first left out with probability ``ratio``, closed up.

    Args:
        items: ``[B, L]``, 0 for padding.
        ratio: share of items to leave out.
    """
    keep = torch.rand(items.shape, device=items.device) >= ratio
    keep[:, 0] = True
    keep &= items > 0
    # Where an item goes: as many places from the left as items before it are kept. Dropped ones go to an extra column.
    place = torch.where(keep, keep.cumsum(dim=1) - 1, items.shape[1])
    closed = items.new_zeros(len(items), items.shape[1] + 1).scatter_(1, place, items)
    return closed[:, :-1]


def drop_modality(present: Tensor, ratio: float) -> Tensor:
    """Return which modalities are left when rows with two or more lose one of them at random.

    Args:
        present: ``bool [n, M]``, which modalities an item has.
        ratio: share of the items that lose one.
    """
    order = torch.rand(present.shape, device=present.device).masked_fill(~present, -1.0)
    lost = torch.zeros_like(present).scatter_(1, order.argmax(dim=1, keepdim=True), True)
    losing = (present.sum(dim=1) > 1) & (torch.rand(len(present), device=present.device) < ratio)
    return present & ~(lost & losing.unsqueeze(1))
