"""RecBole's graph models with quick products are RecBole's graph models."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ckd_plugins.host.data import load_splits
from ckd_plugins.host.models import build_model
from ckd_plugins.host.needs import needs
from ckd_plugins.host.settings import build_config
from ckd_plugins.host.speed import sparse
from ckd_plugins.host.speed.sparse import sparse_products
from ckd_plugins.host.trainer import build_trainer, close_trainer
from ckd_plugins.training.sample import sample_dataset, sample_settings

HAVE = {"LightGCN": 1, "NGCF": 1, "DGCF": 3, "SpectralCF": 1, "GCMC": 4}
"""Models, and how many places hold a matrix that they multiply by. GCMC's graph is in a list, which it has twice."""


def quick(model: Any) -> int:
    return sum(isinstance(m, sparse._Quick) for h in model.modules() for v in vars(h).values() for m in as_list(v))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def step(model: Any, batch: Any) -> list[Tensor]:
    torch.manual_seed(0)
    random.seed(0)  # DGCF's
    loss = model.calculate_loss(batch)
    total = sum(loss) if isinstance(loss, tuple) else loss
    return [total, *torch.autograd.grad(total, [p for p in model.parameters() if p.requires_grad], allow_unused=True)]


def assert_same(ours: list[Any], stock: list[Any], **tolerance: float) -> None:
    for a, b in zip(ours, stock, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, **tolerance)


@pytest.mark.parametrize("name", HAVE)
def test_loss_and_gradients_are_coos(prepare: Callable[..., Any], name: str) -> None:
    """A faster step that is another step; in training mode, with its dropout of edges and messages."""
    run = prepare(name, train_batch_size=256, **({"node_dropout": 0.1} if name == "NGCF" else {}))
    run.model.train()
    batch = run.splits.train.collate_fn(list(range(50)))
    stock = step(run.model, batch)
    assert sparse_products(run.model, run.splits.train)
    assert quick(run.model) >= HAVE[name]
    assert_same(step(run.model, batch), stock, rtol=1e-5, atol=1e-8)


def test_double_precision_agrees_to_its_last_digits(prepare: Callable[..., Any]) -> None:
    """In single precision a wrong edge of little weight hides in the rounding."""
    run = prepare("LightGCN")
    run.model.double()
    run.model.norm_adj_matrix = run.model.norm_adj_matrix.double()
    batch = run.splits.train.collate_fn(list(range(50)))
    stock = step(run.model, batch)
    assert sparse_products(run.model, run.splits.train)
    assert_same(step(run.model, batch), stock, rtol=1e-13, atol=1e-16)


def trained(run: Any, apply: bool) -> tuple[Any, dict[str, float]]:
    if apply:
        assert sparse_products(run.model, run.splits.train)
    trainer = build_trainer(run.config, run.model, run.folder, [])
    close_trainer(trainer)
    trainer.fit(run.splits.train, run.splits.valid, saved=True)
    return trainer, {k: float(v) for k, v in trainer.evaluate(run.splits.test).items()}


@pytest.mark.parametrize(("name", "means"), [("LightGCN", True), ("SGL", True), ("NGCF", False)])
def test_the_mean_is_a_sum_where_there_is_one(prepare: Callable[..., Any], name: str, means: bool) -> None:
    """A mode around each forward pass costs time where it has nothing to do."""
    run = prepare(name)
    assert sparse_products(run.model, run.splits.train)
    assert ("forward" in vars(run.model)) == means


@pytest.mark.parametrize("name", ["LightGCN", "SGL", "NCL"])
def test_a_run_is_the_same_run(prepare: Callable[..., Any], name: str) -> None:
    """A check that draws numbers, makes clusters or leaves gradients changes all that follows. SGL draws subgraphs."""
    settings = {"epochs": 2, "metric_decimal_place": 9, **({"num_clusters": 10} if name == "NCL" else {})}
    results = []
    for apply in (False, True):
        run = prepare(name, **settings)
        results.append((trained(run, apply)[1], list(run.model.parameters())))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6)
    assert_same(results[1][1], results[0][1], rtol=1e-4, atol=1e-6)


def test_a_checkpoint_is_plain_recboles(prepare: Callable[..., Any]) -> None:
    """What only this package can load is no RecBole checkpoint."""
    run = prepare("LightGCN")
    names = list(run.model.state_dict())
    trainer, expected = trained(run, apply=True)
    read = torch.load(trainer.saved_model_file, weights_only=False)
    assert list(read["state_dict"]) == names
    assert "ckd_plugins" not in str({k: type(v).__module__ for k, v in read["other_parameter"].items()})
    plain = build_model(run.config, run.splits)
    plain.load_state_dict(read["state_dict"])
    plain.load_other_parameter(read["other_parameter"])
    stock = build_trainer(run.config, plain, run.folder, [])
    close_trainer(stock)
    found = stock.evaluate(run.splits.test, load_best_model=False)
    assert {k: float(v) for k, v in found.items()} == expected


def test_copies_and_moves(prepare: Callable[..., Any]) -> None:
    """Torch cannot copy every kind of tensor, and RecBole copies every model to count its FLOPs."""
    run = prepare("LightGCN")
    assert sparse_products(run.model, run.splits.train)
    batch = run.splits.train.collate_fn(list(range(50)))
    expected = step(run.model, batch)
    twin = copy.deepcopy(run.model).to("cpu")
    assert twin.user_embedding.weight is not run.model.user_embedding.weight
    assert_same(step(twin, batch), expected, rtol=0, atol=0)
    read = pickle.loads(pickle.dumps(run.model))
    assert type(read.norm_adj_matrix) is Tensor, "a pickle is read where this package is not"
    assert_same(step(read, batch), expected, rtol=1e-5, atol=1e-8)
    matrix = run.model.norm_adj_matrix
    assert matrix.to("cpu") is matrix
    assert type(matrix.double()) is type(matrix.t()) is type(matrix._values()) is Tensor


def test_other_precisions_multiply_as_before(prepare: Callable[..., Any]) -> None:
    """A factor in single precision under a model in half would be another product, or an error where there was none."""
    run = prepare("LightGCN")
    stock = run.model.norm_adj_matrix
    assert sparse_products(run.model, run.splits.train)
    dense = torch.randn(stock.shape[1], 3, dtype=torch.double)
    for call in (torch.sparse.mm, torch.mm):
        with pytest.raises(RuntimeError) as theirs:
            call(stock, dense)
        with pytest.raises(RuntimeError) as ours:
            call(run.model.norm_adj_matrix, dense)
        assert str(ours.value) == str(theirs.value)


def test_the_check_leaves_no_trace(prepare: Callable[..., Any]) -> None:
    """Numbers drawn, a mode left behind or a gradient would change the run that follows."""
    run = prepare("GCMC")
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.random.get_rng_state()
    run.model.eval()
    sparse_products(run.model, run.splits.train)
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert not any(module.training for module in run.model.modules())
    assert all(p.grad is None for p in run.model.parameters())


def test_a_model_that_disagrees_is_left_as_it_was(prepare: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that is wrong for some model must not train it."""
    run = prepare("GCMC")
    held = [run.model.Graph, run.model.support[0], run.model.user_features]
    stock = sparse.multiply
    monkeypatch.setattr(sparse, "multiply", lambda factor, dense: stock(factor, dense) * (1 + 1e-3))
    assert not sparse_products(run.model, run.splits.train)
    assert quick(run.model) == 0
    assert "forward" not in vars(run.model)
    for before, now in zip(held, [run.model.Graph, run.model.support[0], run.model.user_features], strict=True):
        assert before is now


def test_a_loss_that_fails_is_no_failure_of_the_run(prepare: Callable[..., Any]) -> None:
    """Some models' losses need what only their trainers prepare."""
    run = prepare("LightGCN")
    run.model.calculate_loss = lambda batch: batch["nothing of that name"]
    assert not sparse_products(run.model, run.splits.train)
    assert quick(run.model) == 0


@pytest.mark.parametrize("name", ["BPR", "SASRec", "MultiVAE"])
def test_models_without_a_graph_are_not_asked(prepare: Callable[..., Any], name: str) -> None:
    """A check costs a step, and RecVAE's and S3Rec's losses cannot be called without more ado."""
    run = prepare(name)
    run.model.calculate_loss = None
    assert not sparse_products(run.model, run.splits.train)


@pytest.mark.parametrize("name", ["KGAT", "KGIN", "MCCLK"])
def test_matrices_that_training_makes_anew_are_plain(name: str, tmp_path: Path) -> None:
    """KGAT weighs its edges anew each epoch, KGIN and MCCLK drop some each step: the first ones must not be used on."""
    wanted = needs(name)
    config = build_config(name, sample_dataset(tmp_path, wanted), sample_settings(name, wanted), tmp_path)
    runs = []
    for apply in (False, True):
        splits = load_splits(config)
        model = build_model(config, splits)
        assert not apply or sparse_products(model, splits.train)
        trainer = build_trainer(config, model, tmp_path, [])
        close_trainer(trainer)
        trainer.fit(splits.train, saved=False, verbose=False)
        runs.append([p.detach() for p in model.parameters()])
        if name == "KGAT":
            assert quick(model) == 0
    assert_same(runs[1], runs[0], rtol=1e-3, atol=1e-5)
