from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.host.data import ROW_FIELD
from ckd_plugins.host.loaders import row_lengths, set_row_order, trim_batches


@pytest.mark.parametrize("model", ["SASRec", "GRU4Rec", "NARM", "STAMP"])
def test_trimmed_batches_give_the_same_loss(prepare: Callable[..., Any], model: str) -> None:
    """Cutting padding must change nothing that is learnt."""
    run = prepare(model)
    rows = np.argsort(row_lengths(run.splits.train_dataset, run.config), kind="stable")[:40].tolist()
    whole = run.splits.train.collate_fn(rows)
    assert trim_batches(run.splits.train, run.model, run.config)
    cut = run.splits.train.collate_fn(rows)
    assert cut["item_id_list"].shape[1] == int(cut["item_length"].max()) < whole["item_id_list"].shape[1]
    run.model.eval()
    with torch.no_grad():
        assert float(run.model.calculate_loss(cut)) == pytest.approx(float(run.model.calculate_loss(whole)), rel=1e-5)


@pytest.mark.parametrize("model", ["SINE", "BERT4Rec", "NextItNet", "BPR"])
def test_models_that_need_the_full_width_are_left_alone(prepare: Callable[..., Any], model: str) -> None:
    """A model that counts on MAX_ITEM_LIST_LENGTH would crash in mid-training, or learn something else."""
    run = prepare(model)
    stock = run.splits.train.collate_fn
    assert not trim_batches(run.splits.train, run.model, run.config)
    assert run.splits.train.collate_fn == stock


def test_the_probe_leaves_no_trace(prepare: Callable[..., Any]) -> None:
    """A probe that draws random numbers would change the run that follows."""
    run = prepare("SASRec")
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    generator = run.splits.train.generator.get_state()
    run.model.train()
    trim_batches(run.splits.train, run.model, run.config)
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert torch.equal(run.splits.train.generator.get_state(), generator)
    assert run.model.training


def test_rows_come_in_the_samplers_order_and_the_stock_order_comes_back(prepare: Callable[..., Any]) -> None:
    """RecBole hard-codes its sampler; a curriculum must be able to draw fewer rows."""
    run = prepare("BPR")
    restore = set_row_order(run.splits.train, [5, 3, 8])
    (batch,) = list(run.splits.train)
    assert batch[ROW_FIELD].tolist() == [5, 3, 8]
    assert len(run.splits.train) == 1
    restore()
    assert sum(len(b) for b in run.splits.train) == len(run.splits.train_dataset)
