from __future__ import annotations

import pytest
import torch

from ckd_plugins.teachers.nets.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
def test_share_and_mean_are_those_of_dropout(p: float) -> None:
    """A bias of the mask would scale every state in training and not in use."""
    torch.manual_seed(0)
    out = Dropout(p)(torch.ones(1000, 501))
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.003)
    assert out.mean().item() == pytest.approx(1, abs=0.01 / (1 - p))
    assert len(out.unique()) == 2


def test_neighbours_are_independent() -> None:
    """Four elements share one draw of 64 bits; they must not share their fate."""
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(100_000, 4)) > 0).float()
    assert torch.corrcoef(kept.T).sub(torch.eye(4)).abs().max() < 0.02


def test_gradient_follows_the_mask_and_use_is_the_identity() -> None:
    """A dropped element that still gets a gradient is not dropped."""
    x = torch.randn(50, 3, requires_grad=True)
    layer = Dropout(0.4)
    out = layer(x)
    out.sum().backward()
    assert torch.equal(x.grad == 0, out == 0)
    assert layer.eval()(x) is x
    assert Dropout(0.0)(x) is x
    with pytest.raises(ValueError, match="dropout"):
        Dropout(1.0)
    assert repr(layer) == "Dropout(p=0.4)"


def test_masks_follow_the_seed() -> None:
    """Runs with one seed must be one run."""
    outs = []
    for _ in range(2):
        torch.manual_seed(7)
        outs.append(Dropout(0.5)(torch.ones(33)))
    assert torch.equal(*outs)
