"""Whole batches of row numbers give the same batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ckd_plugins.config import Speed
from ckd_plugins.host.data import load_splits
from ckd_plugins.host.speed.fetching import fetch_whole_batches


@pytest.mark.parametrize("name", ["BPR", "SASRec", "MultiVAE"])
def test_batches_are_the_same(prepare: Callable[..., Any], name: str) -> None:
    """Other rows in a batch are another training; users are numbered, too, for a model of users."""
    run = prepare(name, train_batch_size=64)
    stock, ours = (load_splits(run.config, Speed(dataset=False)).train for _ in range(2))
    fetch_whole_batches(ours)
    assert len(ours.dataset) == len(stock.dataset), "outside of an epoch RecBole means its own data set by the name"
    torch.manual_seed(0)
    batches = 0
    for loader in (stock, ours):
        loader.generator.manual_seed(3)
    for a, b in zip([x.interaction for x in stock], [x.interaction for x in ours], strict=True):
        batches += 1
        for field in a:
            if not field.startswith("neg_"):  # drawn by numpy, one loader after the other
                assert torch.equal(a[field], b[field]), field
    assert batches > 1
