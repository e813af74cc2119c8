from __future__ import annotations

import torch

from ckd_plugins.teachers.augment import drop_items, drop_modality


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


def test_items_lose_one_modality_and_never_the_last() -> None:
    """An item that lost all it has would be a target that no history can tell from others."""
    torch.manual_seed(0)
    present = torch.tensor([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=torch.bool).repeat(5000, 1)
    left = drop_modality(present, 0.4)
    assert not (left & ~present).any()
    assert torch.equal(left[present.sum(1) < 2], present[present.sum(1) < 2])
    both = left[present.all(1)]
    assert both.any(dim=1).all()
    lost = (~both).float().mean(dim=0)
    assert torch.allclose(lost, torch.tensor([0.2, 0.2]), atol=0.02)
    assert torch.equal(drop_modality(present, 0.0), present)
    assert (drop_modality(present, 1.0).sum(dim=1) <= 1).all()
