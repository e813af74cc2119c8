"""Stock RecBole models on a slice of ml-100k, and an objective simple enough to check by hand."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.models import build_model
from ckd_plugins.host.settings import build_config, find_dataset
from ckd_plugins.host.zoo import model_class
from ckd_plugins.registry import Registry
from ckd_plugins.students import Probe
from ckd_plugins.training.subscribe import subscribe

SLICE: dict[str, Any] = {
    "user_inter_num_interval": "[20,30]",
    "item_inter_num_interval": "[5,inf)",
    "MAX_ITEM_LIST_LENGTH": 10,
    "train_batch_size": 512,
    "eval_batch_size": 65536,
    "epochs": 2,
    "load_col": {
        "inter": ["user_id", "item_id", "rating", "timestamp"],
        "item": ["item_id", "release_year", "class"],
        "user": ["user_id", "age", "gender", "occupation"],
    },
}
LEAVE_ONE_OUT = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}
KNOWLEDGE = {"kg": ["head_id", "relation_id", "tail_id"], "link": ["item_id", "entity_id"]}


@dataclass
class Case:
    """A stock model with what it was built from."""

    config: Any
    splits: Splits
    model: Any
    run_dir: Path

    def batch(self) -> Any:
        """The first training batch, always the same one."""
        state = torch.random.get_rng_state()
        torch.manual_seed(1)
        if hasattr(self.splits.train, "set_mode"):
            from recbole.utils import KGDataLoaderState

            self.splits.train.set_mode(KGDataLoaderState.RSKG)
        batch = next(iter(self.splits.train))
        torch.random.set_rng_state(state)
        return batch

    def probe(self) -> Probe:
        return Probe(self.model, self.batch(), self.splits.dataset.get_item_feature(), self.splits.dataset.item_num)

    def rebuilt(self) -> Any:
        """The model anew, with the same initial weights."""
        return build_model(self.config, self.splits)


def make_case(name: str, run_dir: Path, **settings: Any) -> Case:
    torch.set_num_threads(1)
    chosen = {**SLICE, **settings}
    if model_class(name).type.name == "KNOWLEDGE":
        chosen["load_col"] = {**SLICE["load_col"], **KNOWLEDGE}
    config = build_config(name, find_dataset("ml-100k"), chosen, run_dir)
    logging.getLogger().setLevel(logging.WARNING)
    splits = load_splits(config)
    return Case(config, splits, build_model(config, splits), run_dir)


@pytest.fixture
def case(tmp_path, monkeypatch):
    """``case("SASRec", loss_type="BPR")`` builds a case; RecBole's folders land in a temporary one."""
    monkeypatch.chdir(tmp_path)
    return lambda name, **settings: make_case(name, tmp_path / name, **settings)


@dataclass(frozen=True)
class Output:
    loss: torch.Tensor
    terms: dict[str, torch.Tensor]


@dataclass
class Push:
    """Pushes the positives' scores up against a few fixed items, and remembers what it was asked."""

    weight: float = 1.0
    candidates: torch.Tensor = field(default_factory=lambda: torch.arange(1, 9))
    asked: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    scores: list[torch.Tensor] = field(default_factory=list)

    def __call__(self, rows: torch.Tensor, targets: torch.Tensor, read: Any) -> Output:
        self.asked.append((rows, targets))
        items = torch.cat([targets[:, None], self.candidates.expand(len(targets), -1)], dim=1)
        scores = read(items)
        self.scores.append(scores.detach())
        loss = self.weight * -torch.log_softmax(scores, dim=1)[:, 0].mean()
        return Output(loss, {"push": loss.detach()})


@pytest.fixture
def push():
    """The class of a small objective."""
    return Push


@pytest.fixture
def zoo_case(tmp_path, monkeypatch):
    """``zoo_case("SASRecPlus", train_loss="softmax")`` builds a case of a student of our own, with its defaults."""
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)

    def make(name, **settings):
        student = subscribe(name, Registry(discover=False))
        given = {**SLICE, "eval_args": LEAVE_ONE_OUT, **settings}
        config = build_config(student.model, find_dataset("ml-100k"), given, tmp_path / name, defaults=student.defaults)
        splits = load_splits(config)
        return Case(config, splits, build_model(config, splits), tmp_path / name)

    return make
