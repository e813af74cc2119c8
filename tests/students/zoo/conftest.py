"""Students of our own on the slice of ml-100k, made known to RecBole with their defaults."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.host.data import load_splits
from ckd_plugins.host.models import build_model
from ckd_plugins.host.settings import build_config, find_dataset
from ckd_plugins.registry import Registry
from ckd_plugins.training.subscribe import subscribe

from ..conftest import SLICE, Case

LEAVE_ONE_OUT = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}


@pytest.fixture
def zoo_case(tmp_path, monkeypatch):
    """``zoo_case("gSASRec", train_loss="softmax")`` builds a case."""
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)

    def make(name, **settings):
        student = subscribe(name, Registry(discover=False))
        given = {**SLICE, "eval_args": LEAVE_ONE_OUT, **settings}
        given.pop("train_batch_size" if name.startswith("g") else "", None)
        config = build_config(student.model, find_dataset("ml-100k"), given, tmp_path / name, defaults=student.defaults)
        splits = load_splits(config)
        return Case(config, splits, build_model(config, splits), tmp_path / name)

    return make
