from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ckd_plugins.config import Speed
from ckd_plugins.host.speed.model import speed_up

NONE = Speed(layers=False, softmax=False, dropout=False, sparse=False)


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("SASRec", ("layers", "softmax", "dropout")),
        ("BERT4Rec", ("layers", "dropout")),
        ("GRU4Rec", ("softmax", "dropout")),
        ("CORE", ("layers", "dropout")),
        ("DeepFM", ("dropout",)),
        ("BPR", ()),
    ],
)
def test_each_model_gets_what_suits_it(prepare: Callable[..., Any], model: str, wanted: tuple[str, ...]) -> None:
    """A student in any family gets these without asking, and no model one that changes it."""
    run = prepare(model)
    assert speed_up(run.model, run.splits.train, run.config, Speed(sparse=False)) == wanted


@pytest.mark.parametrize("name", ["layers", "softmax", "dropout"])
def test_one_setting_switches_one_off(prepare: Callable[..., Any], name: str) -> None:
    """Whoever looks for a difference must be able to take speed-ups away one by one."""
    run = prepare("SASRec")
    made = speed_up(run.model, run.splits.train, run.config, Speed(**{name: False}))
    assert set(made) == {"layers", "softmax", "dropout"} - {name}


def test_all_off_is_the_stock_instance(prepare: Callable[..., Any]) -> None:
    """Off must mean off: nothing on the instance, nothing on its modules."""
    run = prepare("SASRec")
    before = [dict(vars(module)) for module in run.model.modules()]
    assert speed_up(run.model, run.splits.train, run.config, NONE) == ()
    assert [dict(vars(module)) for module in run.model.modules()] == before


def test_checkpoint_and_class_stay(prepare: Callable[..., Any]) -> None:
    """RecBole picks by class name, and a checkpoint must load without this package."""
    run = prepare("SASRec")
    kind, names = type(run.model), list(run.model.state_dict())
    speed_up(run.model, run.splits.train, run.config, Speed())
    assert type(run.model) is kind
    assert list(run.model.state_dict()) == names


def test_without_dropout_training_is_the_same(prepare: Callable[..., Any]) -> None:
    """The same batches must give the same losses, step after step."""
    losses: dict[bool, list[float]] = {}
    for fast in (False, True):
        run = prepare("SASRec", hidden_dropout_prob=0.0, attn_dropout_prob=0.0)
        speed_up(run.model, run.splits.train, run.config, Speed() if fast else NONE)
        run.model.train()
        optimizer = torch.optim.SGD(run.model.parameters(), lr=0.1)
        for begin in range(0, 300, 50):
            loss = run.model.calculate_loss(run.splits.train.collate_fn(list(range(begin, begin + 50))))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.setdefault(fast, []).append(float(loss.detach()))
    assert losses[True] == pytest.approx(losses[False], rel=1e-5)


def test_a_tree_is_left_alone() -> None:
    """RecBole's LightGBM and XGBoost are no modules; RecBole's own tests of them ended in an AttributeError."""
    assert speed_up(object(), None, None, Speed()) == ()
