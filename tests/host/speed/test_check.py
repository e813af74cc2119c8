from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ckd_plugins.host.speed.check import applied, loss_and_gradients, shortest_and_longest


def test_a_change_of_the_loss_is_undone(prepare: Callable[..., Any]) -> None:
    """A speed-up that trains another model is worse than none."""
    run = prepare("SASRec")
    calls: list[str] = []

    def change(factor: float) -> Callable[[], Any]:
        def make() -> Callable[[], None]:
            own = type(run.model).calculate_loss
            vars(run.model)["calculate_loss"] = lambda batch: own(run.model, batch) * factor
            return lambda: calls.append("undone")

        return make

    def batch() -> Any:
        return run.splits.train.collate_fn(list(range(20)))

    assert applied(change(1.0), run.model, batch)
    assert not calls
    assert not applied(change(1.0 + 1e-5), run.model, batch)
    assert not applied(change(float("nan")), run.model, batch)
    assert calls == ["undone", "undone"]


def test_a_change_of_gradients_alone_is_found(prepare: Callable[..., Any]) -> None:
    """A detached term leaves the loss as it is."""
    run = prepare("SASRec")

    def detach() -> Callable[[], None]:
        own = type(run.model).calculate_loss

        def loss(batch: Any) -> torch.Tensor:
            value: torch.Tensor = own(run.model, batch)
            return value.detach() + 0 * value

        vars(run.model)["calculate_loss"] = loss
        return lambda: vars(run.model).pop("calculate_loss")

    assert not applied(detach, run.model, lambda: run.splits.train.collate_fn(list(range(20))))
    assert "calculate_loss" not in vars(run.model)


def test_a_change_that_crashes_the_model_is_undone(prepare: Callable[..., Any]) -> None:
    """What does not suit a model must not end the run."""
    run = prepare("SASRec")

    def crash() -> Callable[[], None]:
        def loss(batch: Any) -> torch.Tensor:
            raise RuntimeError("shapes do not match")

        vars(run.model)["calculate_loss"] = loss
        return lambda: vars(run.model).pop("calculate_loss")

    assert not applied(crash, run.model, lambda: run.splits.train.collate_fn(list(range(20))))
    assert "calculate_loss" not in vars(run.model)


def test_looking_leaves_no_trace(prepare: Callable[..., Any]) -> None:
    """Gradients, mode and random numbers are the run's."""
    run = prepare("LightGCN")
    run.model.train()
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    run.model.restore_user_e = kept = torch.zeros(2)
    first = loss_and_gradients(run.model, lambda: run.splits.train.collate_fn(list(range(20))))
    again = loss_and_gradients(run.model, lambda: run.splits.train.collate_fn(list(range(20))))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert run.model.training
    assert run.model.restore_user_e is kept
    assert all(p.grad is None for p in run.model.parameters())
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()


def test_rows_of_both_ends() -> None:
    """Short rows show what padding does, long ones what is cut."""
    lengths = np.array([5, 1, 9, 3, 7])
    assert shortest_and_longest(lengths, 2) == [1, 2]
    assert shortest_and_longest(lengths, 64) == [0, 1, 2, 3, 4]
    assert shortest_and_longest(lengths[:1]) == [0]
