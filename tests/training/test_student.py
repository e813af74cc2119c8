"""A stock model made a student: its reader, its candidates, and no trace of the search for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins import StudentSpec, hookimpl
from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import PluginError, StudentError
from ckd_plugins.host.data import ROW_FIELD
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.registry import Registry
from ckd_plugins.signals.dense import DenseSignal
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.training.readers import choose_reader
from ckd_plugins.training.student import make_student
from ckd_plugins.training.subscribe import subscribe

from .conftest import add_graph, add_side_features

Prepare = Callable[..., Any]
PAIRS = {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}}


def chosen(run: Any, registry: Registry) -> Reader:
    return choose_reader(run.model, run.splits, run.host, registry)


def taught(run: Any, registry: Registry, reader: Reader, batch_size: int = 64, **section: Any) -> tuple[Any, Any]:
    signals = [DenseSignal.from_arrays(torch.zeros(len(run.material.instances), len(run.material.tokens)))]
    config = CkdConfig.parse({"teachers": ["unisrec"], **section})
    return make_student(run.model, reader, signals, run.material, config, registry, seed=3, batch_size=batch_size)


def test_a_reader_that_pays_for_each_pair_gets_a_limit(prepare: Prepare, registry: Registry) -> None:
    """DeepFM over all targets of a batch of 2048 would be a thousand forward passes."""
    run = prepare("DeepFM", **PAIRS)
    reader = chosen(run, registry)
    assert reader.max_candidates is not None
    _, objective = taught(run, registry, reader)
    assert objective.candidates.limit == reader.max_candidates
    assert objective.candidates.seed == 3


@pytest.mark.parametrize("model", ["DeepFM", "FM", "DIN"])
def test_a_candidate_is_read_with_its_own_features(
    prepare: Prepare, registry: Registry, shop: Path, model: str
) -> None:
    """A candidate in a row with the positive item's price and category is an item that does not exist."""
    add_side_features(shop)
    run = prepare(model, shop)
    reader = chosen(run, registry)
    batch = next(iter(run.splits.train))
    positive = batch["label"] > 0
    rows = type(batch)({name: column[positive][:8] for name, column in batch.interaction.items()})
    candidates = torch.tensor([3, 11, 42])
    run.model.eval()
    with torch.no_grad():
        with reader.watch():
            run.model.calculate_loss(rows)
        found = reader.scores(rows, slice(0, 8), candidates)
        for column, item in enumerate(candidates.tolist()):
            rows["item_id"] = torch.full((8,), item)
            joined = run.splits.train_dataset.join(rows)  # RecBole's own way to an item's features
            torch.testing.assert_close(found[:, column].sigmoid(), run.model.predict(joined))
    if model != "DIN":
        assert {"price", "age"} <= {*run.model.float_field_names, *run.model.token_field_names}


def test_a_limit_of_the_users_own_is_kept(prepare: Prepare, registry: Registry) -> None:
    """A setting that is silently replaced cannot be studied; no limit is a setting as well."""
    run = prepare("DeepFM", **PAIRS)
    for limit in (7, None):
        handle, objective = taught(
            run, registry, chosen(run, registry), candidates={"name": "in_batch", "limit": limit}
        )
        handle.detach()
        assert objective.candidates.limit == limit


def test_the_limit_is_not_forced_upon_other_sources(prepare: Prepare, registry: Registry) -> None:
    """They have no such option, and the run would end with a message about a setting that nobody wrote."""
    run = prepare("DeepFM", **PAIRS)
    handle, objective = taught(run, registry, chosen(run, registry), candidates={"name": "uniform", "n": 5})
    handle.detach()
    assert objective.candidates.n == 5


@pytest.mark.parametrize(("model", "batch_size", "limit"), [("SASRec", 64, None), ("BPR", 64, 15), ("BPR", 32, None)])
def test_the_limit_goes_by_what_the_student_itself_looks_at(
    prepare: Prepare,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    batch_size: int,
    limit: int | None,
) -> None:
    """Teachers asked about thousands of items a row cost a pairwise student many times its own loss."""
    monkeypatch.setattr("ckd_plugins.training.student._FEW", 15)
    run = prepare(model)
    _, objective = taught(run, registry, chosen(run, registry), batch_size)
    assert objective.candidates.limit == limit


def states(run: Any) -> list[Any]:
    inner = getattr(run.splits.train, "general_dataloader", run.splits.train)
    graph = getattr(run.splits.train, "kg_dataloader", inner)
    python, array = random.getstate(), np.random.get_state()
    found = [torch.random.get_rng_state(), inner.generator.get_state(), graph.generator.get_state()]
    sizes = [inner.batch_sampler.batch_size, graph.batch_sampler.batch_size, inner.step, inner.batch_size]
    return [*(t.tolist() for t in found), sizes, python, array[1].tolist(), array[2:], run.model.training]


@pytest.mark.parametrize(
    ("model", "settings"), [("SASRec", {}), ("BPR", {}), ("DeepFM", PAIRS), ("MultiVAE", {}), ("CFKG", {})]
)
def test_the_probe_leaves_no_trace(
    prepare: Prepare, registry: Registry, shop: Path, model: str, settings: dict[str, Any]
) -> None:
    """A batch drawn from the train loader moves its generator: the plain run would have other batches."""
    if model == "CFKG":
        settings = add_graph(shop)
    run = prepare(model, **settings)
    weights = {name: value.clone() for name, value in run.model.state_dict().items()}
    before = states(run)
    reader = chosen(run, registry)
    assert reader.model is run.model
    assert states(run) == before
    assert all(torch.equal(weights[name], value) for name, value in run.model.state_dict().items())


def test_the_first_batch_is_the_plain_runs(prepare: Prepare, registry: Registry) -> None:
    """What the states above are for."""
    plain, probed = prepare("BPR", train_batch_size=64), prepare("BPR", train_batch_size=64)
    np.random.seed(5)
    expected = next(iter(plain.splits.train))
    np.random.seed(5)
    chosen(probed, registry)
    found = next(iter(probed.splits.train))
    for name in (ROW_FIELD, "item_id", "neg_item_id"):
        assert torch.equal(found[name], expected[name])


def test_a_knowledge_graph_model_is_distilled(run: Callable[..., Any], shop: Path) -> None:
    """Its loader refuses to be iterated before the trainer has set its mode."""
    result = run("CFKG", ["unisrec"], **add_graph(shop))
    assert result["ckd"]["history"][-1]["distillation_loss"] > 0


class Own(Reader):
    """Scores of nothing, to be told apart."""

    name = "own"

    def scores(self, interaction: Any, positions: slice | torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        raise AssertionError


class Chooser:
    def __init__(self, for_model: str) -> None:
        self.for_model, self.asked = for_model, []

    @hookimpl
    def ckd_choose_reader(self, model: Any, probe: Any) -> Reader | None:
        self.asked.append((type(model).__name__, probe.model is model))
        return Own(model) if type(model).__name__ == self.for_model else None


def test_a_plugins_reader_wins_over_the_built_in(
    prepare: Prepare, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """A plugin that knows a model better than the probing does could never say so; nor may it be wrong unseen."""
    registry.register(Chooser("SASRec"), "chooser")
    assert isinstance(chosen(prepare("SASRec"), registry), Own)
    assert "chose for SASRec, 'own', may not read what the model ranks by" in caplog.text


def broken(model: Any) -> Reader:
    raise KeyError("weights")


def of_another(model: Any) -> Reader:
    return Own(object())


@pytest.mark.parametrize(
    ("reader", "says"),
    [
        (broken, "its reader cannot be made: KeyError"),
        (lambda model: "own", "its reader is a str, not a ckd_plugins.students.Reader"),
        (of_another, "its reader, a Own, needs the model that it was made for"),
    ],
    ids=["raises", "a word", "another model's"],
)
def test_a_reader_that_is_none_is_told(prepare: Prepare, registry: Registry, reader: Any, says: str) -> None:
    """It failed by a traceback, or in the first batch after teachers were trained."""
    registry.register(Registered(reader), "registered")
    run = prepare("BPR")
    with pytest.raises(StudentError, match=says):
        choose_reader(run.model, run.splits, run.host, registry, subscribe("MyBPR", registry))


def test_a_plugin_that_passes_leaves_the_choice_to_the_next(prepare: Prepare, registry: Registry) -> None:
    """One installed plugin would take all other models' readers away."""
    chooser = Chooser("GRU4Rec")
    registry.register(chooser, "chooser")
    run = prepare("SASRec")
    assert not isinstance(chosen(run, registry), Own)
    assert chooser.asked == [("SASRec", True)]


class Registered:
    def __init__(self, reader: Any) -> None:
        self.reader = reader

    @hookimpl
    def ckd_register_students(self) -> Iterator[StudentSpec]:
        yield StudentSpec(name="MyBPR", factory="BPR", family="general", reader=self.reader)


@pytest.mark.parametrize("reader", [Own, f"{__name__}:Own"])
def test_a_registered_students_own_reader_comes_first(prepare: Prepare, registry: Registry, reader: Any) -> None:
    """The record's field would be a promise that nothing keeps."""
    chooser = Chooser("BPR")
    registry.register(chooser, "chooser")
    registry.register(Registered(reader), "registered")
    run = prepare("BPR")
    reader = choose_reader(run.model, run.splits, run.host, registry, subscribe("MyBPR", registry))
    assert isinstance(reader, Own)
    assert chooser.asked == []


def test_a_registered_reader_that_cannot_be_imported_is_the_plugins_fault(registry: Registry) -> None:
    """ModuleNotFoundError says nothing about whose record named the module."""
    registry.register(Registered("nobody_has_this:Reader"), "registered")
    with pytest.raises(PluginError, match="student 'MyBPR': reader 'nobody_has_this:Reader' cannot be imported"):
        subscribe("MyBPR", registry)


def test_a_model_without_gradients_is_refused_with_the_reason(prepare: Prepare, registry: Registry) -> None:
    """It would train for hours with a loss that moves nothing."""
    with pytest.raises(StudentError, match=r"ItemKNN cannot be a student: .*; it can be a teacher"):
        chosen(prepare("ItemKNN"), registry)


def test_pairs_that_would_not_fit_into_memory_are_fewer(prepare: Prepare, registry: Registry) -> None:
    """RippleNet keeps a megabyte for each pair: 16 candidates a row would take 3.5 GB on 1,350 rows."""
    run = prepare("DeepFM")
    reader = chosen(run, registry)
    assert 500 < reader.pair_bytes < 50_000
    config = CkdConfig.parse({"teachers": ["unisrec"]})
    table = torch.zeros(len(run.material.instances), len(run.material.tokens))
    signals = [DenseSignal.from_arrays(table)]
    limits = []
    for batch_size in (64, 2**30 // (10 * reader.pair_bytes), 2**30):
        made = make_student(run.model, reader, signals, run.material, config, registry, seed=3, batch_size=batch_size)
        made[0].detach()
        limits.append(made[1].candidates.limit)
    assert limits == [16, 10, 2]


def test_no_batch_is_drawn_for_a_refused_model(prepare: Prepare, registry: Registry, tmp_path: Path) -> None:
    """Models without a loss often have no train loader that a batch could come from."""
    run = prepare("Pop")
    run.splits.train.collate_fn = None
    with recbole_log(tmp_path), pytest.raises(StudentError, match="Pop cannot be a student"):
        chosen(run, registry)
