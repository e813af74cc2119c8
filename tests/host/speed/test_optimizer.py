from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ckd_plugins.host.speed.optimizer import fuse_adam
from ckd_plugins.host.trainer import build_trainer, close_trainer


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_the_steps_are_adams(decay: float) -> None:
    """Another update would be another optimiser: a hundred steps in double precision."""
    results = []
    for fused in (False, True):
        torch.manual_seed(0)
        weights = torch.nn.Parameter(torch.randn(7, 5, dtype=torch.float64))
        optimizer = torch.optim.Adam([weights], lr=0.05, weight_decay=decay)
        if fused:
            assert fuse_adam(optimizer)
        for _ in range(100):
            optimizer.zero_grad()
            (weights.sin() * torch.randn(7, 5, dtype=torch.float64)).sum().backward()
            optimizer.step()
        results.append(weights.detach())
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-12)


def test_recboles_trainer_trains_with_it(prepare: Callable[..., Any]) -> None:
    """Flags that are set after construction must reach the step."""
    run = prepare("BPR")
    trainer = build_trainer(run.config, run.model, run.folder, [])
    assert fuse_adam(trainer.optimizer)
    before = run.model.item_embedding.weight.detach().clone()
    trainer._train_epoch(run.splits.train, 0)
    assert not torch.equal(run.model.item_embedding.weight, before)
    # A fused step counts in single precision on the parameter's device.
    assert all(state["step"].dtype == torch.float32 for state in trainer.optimizer.state.values())
    close_trainer(trainer)


def test_other_optimisers_are_left_alone() -> None:
    """Only Adam has been compared; one that has stepped keeps its state as it is."""
    weights = torch.nn.Parameter(torch.zeros(3))
    assert not fuse_adam(torch.optim.SGD([weights], lr=0.1))
    assert not fuse_adam(torch.optim.AdamW([weights]))
    assert not fuse_adam(torch.optim.Adam([weights], amsgrad=True))
    assert not fuse_adam(torch.optim.Adam([torch.nn.Parameter(torch.zeros(3, dtype=torch.bfloat16))]))
    stepped = torch.optim.Adam([weights])
    weights.grad = torch.ones(3)
    stepped.step()
    assert not fuse_adam(stepped)
    assert not stepped.param_groups[0]["fused"]
