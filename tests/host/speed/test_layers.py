from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from ckd_plugins.host.speed.check import applied
from ckd_plugins.host.speed.layers import fuse_activations, last_position_only

READ_LAST = ["SASRec", "SASRecF", "FDSA"]


@pytest.mark.parametrize("model", READ_LAST)
def test_output_and_gradients_stay(prepare: Callable[..., Any], model: str) -> None:
    """A short cut that forgets a position or a mask would train another model."""
    run = prepare(model)
    run.model.double().eval()
    batch = run.splits.train.collate_fn(list(range(60)))
    parameters = list(run.model.parameters())

    def both() -> tuple[Tensor, Any]:
        loss = run.model.calculate_loss(batch)
        return loss, torch.autograd.grad(loss, parameters, allow_unused=True)

    wanted, to_wanted = both()
    ranked = run.model.full_sort_predict(batch)
    undo = [fuse_activations(run.model), last_position_only(run.model)]
    assert all(undo)
    found, to_found = both()
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(run.model.full_sort_predict(batch), ranked)
    for a, b in zip(to_found, to_wanted, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b)


def test_the_last_layer_sees_one_position(prepare: Callable[..., Any]) -> None:
    """A condition that never holds would save nothing, and nobody would notice."""
    run = prepare("SASRec")
    widths: list[int] = []
    for layer in run.model.trm_encoder.layer:
        layer.feed_forward.register_forward_pre_hook(lambda module, inputs: widths.append(inputs[0].shape[1]))
    last_position_only(run.model)
    batch = run.splits.train.collate_fn(list(range(60)))
    run.model.calculate_loss(batch)
    assert widths == [batch["item_id_list"].shape[1], 1]


@pytest.mark.parametrize("model", ["BERT4Rec", "CORE"])
def test_models_that_read_other_positions_are_found_out(prepare: Callable[..., Any], model: str) -> None:
    """BERT4Rec reads the masked positions, CORE weighs them all."""
    run = prepare(model)
    before = dict(vars(run.model))
    rows = list(range(40))
    assert not applied(lambda: last_position_only(run.model), run.model, lambda: run.splits.train.collate_fn(rows))
    assert vars(run.model) == before
    assert not any("forward" in vars(module) for module in run.model.modules())


def test_the_encoder_alone_is_the_stock_encoder(prepare: Callable[..., Any]) -> None:
    """Outside the model's forward nobody says which position is read."""
    run = prepare("SASRec")
    run.model.eval()
    encoder = run.model.trm_encoder
    hidden, mask = torch.randn(3, 6, run.model.hidden_size), torch.zeros(3, 1, 6, 6)
    (*_, wanted) = encoder(hidden, mask)
    last_position_only(run.model)
    (*_, found) = encoder(hidden, mask)
    assert torch.equal(found, wanted)


def test_copied_and_undone(prepare: Callable[..., Any]) -> None:
    """A copy that computes with the original's layers would never learn."""
    run = prepare("SASRec")
    batch = run.splits.train.collate_fn(list(range(30)))
    run.model.eval()
    wanted = run.model.full_sort_predict(batch)
    names = list(run.model.state_dict())
    undo = last_position_only(run.model)
    twin = copy.deepcopy(run.model)
    with torch.no_grad():
        for parameter in run.model.parameters():
            parameter.zero_()
    torch.testing.assert_close(twin.full_sort_predict(batch), wanted)
    assert list(run.model.state_dict()) == names
    assert undo is not None
    undo()
    assert not any("forward" in vars(module) for module in run.model.modules())


def test_models_without_such_an_encoder_are_left_alone(prepare: Callable[..., Any]) -> None:
    """GRU4Rec has no transformer."""
    run = prepare("GRU4Rec")
    assert last_position_only(run.model) is None
    assert fuse_activations(run.model) is None
