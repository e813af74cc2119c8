from __future__ import annotations

import torch

from ckd_plugins.teachers.augment import drop_items


def test_kept_items_stay_in_order_and_close_up() -> None:
    """A hole in the middle would end the sequence there for whoever counts its items."""
    torch.manual_seed(0)
    items = torch.zeros(200, 12, dtype=torch.long)
    for row in range(200):
        length = 1 + row % 12
        items[row, :length] = torch.arange(1, length + 1)
    kept = drop_items(items, 0.3)
    share = (kept > 0).sum() / (items > 0).sum()
    assert 0.65 < share < 0.8
    for row in kept.tolist():
        filled = [i for i in row if i]
        assert row == filled + [0] * (12 - len(filled))
        assert filled == sorted(set(filled))
        assert filled[0] == 1
    assert torch.equal(drop_items(items, 0.0), items)
