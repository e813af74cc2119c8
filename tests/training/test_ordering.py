"""Which rows a student meets when: like lengths together, easy ones first, or just as RecBole has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins import DifficultySpec, hookimpl
from ckd_plugins.config import CkdConfig
from ckd_plugins.curriculum.sampler import CurriculumSampler
from ckd_plugins.errors import ConfigError, UnknownNameError
from ckd_plugins.host.data import ROW_FIELD
from ckd_plugins.registry import Registry
from ckd_plugins.training.ordering import check_order, order_rows

Prepare = Callable[..., Any]
NEITHER = {"speed": {"trim": False, "bucket": False}}


def ordered(
    run: Any,
    registry: Registry,
    section: dict[str, Any] | None = None,
) -> CurriculumSampler | None:
    config = CkdConfig.parse(section or {})
    return order_rows(run.model, run.splits, run.material, (), config, run.host, registry)


def batches(run: Any) -> list[Any]:
    np.random.seed(0)  # negatives are drawn from there
    return list(run.splits.train)


def rows_of(found: list[Any]) -> list[list[int]]:
    return [batch[ROW_FIELD].tolist() for batch in found]


def all_rows_of(found: list[Any]) -> list[int]:
    return sorted(row for rows in rows_of(found) for row in rows)


def spread(found: list[Any]) -> float:
    """How far apart the longest and the shortest history of a full batch are, on average."""
    return float(np.mean([int(b["item_length"].max() - b["item_length"].min()) for b in found[:-1]]))


def test_a_batch_has_rows_of_like_length(prepare: Prepare, registry: Registry) -> None:
    """Buckets that the loader's batches do not fall on save nothing: every batch is as wide as its one long row."""
    stock, bucketed = prepare("SASRec", train_batch_size=16), prepare("SASRec", train_batch_size=16)
    sampler = ordered(bucketed, registry)
    assert sampler is not None
    sampler.set_epoch(0)
    before, after = batches(stock), batches(bucketed)
    assert spread(before) > 4
    assert spread(after) < 0.5
    assert all_rows_of(after) == list(range(len(bucketed.splits.train_dataset)))
    assert all(b["item_id_list"].shape[1] == int(b["item_length"].max()) for b in after)
    widths = [sum(b["item_id_list"].numel() for b in found) for found in (before, after)]
    assert widths[1] < widths[0] / 5


def test_epochs_shuffle_anew_and_repeat_by_seed(prepare: Prepare, registry: Registry) -> None:
    """The same order in every epoch is no stochastic gradient descent; another one in every run is no experiment."""
    run, again = prepare("SASRec", train_batch_size=32), prepare("SASRec", train_batch_size=32)
    orders = []
    for one in (run, again):
        sampler = ordered(one, registry)
        assert sampler is not None
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            orders.append(rows_of(batches(one)))
    assert orders[0] != orders[1]
    assert orders[:2] == orders[2:]


@pytest.mark.parametrize("model", ["SASRec", "BPR", "MultiVAE"])
def test_without_trim_and_curriculum_recboles_own_order_stands(
    prepare: Prepare, registry: Registry, model: str
) -> None:
    """Whoever switches the speed-ups off wants stock RecBole, bit for bit."""
    stock, ours = prepare(model), prepare(model)
    assert ordered(ours, registry, NEITHER) is None
    for _ in range(2):
        for theirs, mine in zip(batches(stock), batches(ours), strict=True):
            assert set(theirs.interaction) == set(mine.interaction)
            assert all(torch.equal(theirs[name], mine[name]) for name in theirs.interaction)


def test_buckets_need_trimmed_batches(prepare: Prepare, registry: Registry) -> None:
    """Sorting by length costs randomness; where batches keep their full width it buys nothing."""
    assert ordered(prepare("SASRec"), registry, {"speed": {"trim": False}}) is None
    assert ordered(prepare("BPR"), registry) is None


def test_trim_alone_keeps_the_order(prepare: Prepare, registry: Registry) -> None:
    """Narrower batches must hold the same rows."""
    stock, trimmed = prepare("SASRec"), prepare("SASRec")
    assert ordered(trimmed, registry, {"speed": {"bucket": False}}) is None
    before, after = batches(stock), batches(trimmed)
    assert rows_of(after) == rows_of(before)
    assert all(a["item_id_list"].shape[1] < b["item_id_list"].shape[1] for a, b in zip(after, before, strict=True))


@pytest.mark.parametrize("teachers", [(), ("unisrec",)])
def test_a_curriculum_of_rows_does_not_fit_an_autoencoder(
    run: Callable[..., Any], tmp_path: Path, teachers: Sequence[str]
) -> None:
    """Its batches are users: rows drawn by number would be wrong ones. Told before teachers are trained."""
    with pytest.raises(ConfigError, match="MultiVAE is trained on users, not on rows: a curriculum does not apply"):
        run("MultiVAE", teachers, ckd={"curriculum": True})
    assert not list((tmp_path / "runs").glob("*"))
    assert not list((tmp_path / "cache").glob("teachers/*"))


class RowNumber:
    """A measure of a plugin."""

    @hookimpl
    def ckd_register_difficulties(self) -> Iterator[DifficultySpec]:
        yield DifficultySpec(name="row_number", factory=lambda evidence: np.arange(len(evidence), dtype=float))


@pytest.mark.parametrize(("direction", "easiest"), [("easy_first", slice(None, 1)), ("hard_first", slice(-1, None))])
@pytest.mark.parametrize("model", ["SASRec", "BPR"])
def test_a_plugins_difficulty_decides_which_rows_come_first(
    prepare: Prepare, registry: Registry, model: str, direction: str, easiest: slice
) -> None:
    """A registered measure that is looked up but not used would leave the default curriculum in place."""
    registry.register(RowNumber(), "measures")
    curriculum = {"difficulty": "row_number", "direction": direction, "epochs": 4}
    run = prepare(model)
    sampler = ordered(run, registry, {"curriculum": curriculum})
    assert sampler is not None
    rows = list(range(len(run.splits.train_dataset)))
    sizes = []
    for epoch in range(5):
        sampler.set_epoch(epoch)
        drawn = all_rows_of(batches(run))
        sizes.append(len(drawn))
        assert drawn == (rows[: len(drawn)] if direction == "easy_first" else rows[-len(drawn) :])
    assert drawn == rows
    assert sizes == sorted(sizes)
    assert sizes[0] < len(rows) / 2
    assert sizes[3] < len(rows)
    assert rows[easiest]


def test_a_measure_that_asks_teachers_needs_some(run: Callable[..., Any]) -> None:
    """A plain run with a teachers' curriculum would be no plain run."""
    with pytest.raises(
        ConfigError, match="difficulty 'teacher_confidence' asks at least 1 of the teachers and 0 are named"
    ):
        run("BPR", ckd={"curriculum": {"difficulty": "teacher_confidence"}})


def test_an_unknown_measure_is_told_in_a_plain_run_too(run: Callable[..., Any], tmp_path: Path) -> None:
    """A curriculum needs no teachers, and neither does its typo."""
    with pytest.raises(UnknownNameError, match="unknown difficulty 'lenght'; did you mean 'length'"):
        run("BPR", ckd={"curriculum": {"difficulty": "lenght"}})
    assert not list((tmp_path / "runs").glob("*"))


def test_without_an_order_by_difficulty_domains_do_not_matter(prepare: Prepare, registry: Registry) -> None:
    """A curriculum of teachers only replaced RecBole's order, and was refused on data of one domain."""
    run = prepare("SASRec")
    section = {"curriculum": {"difficulty": None, "teachers": True}, "domains": {"competence": "within"}, **NEITHER}
    check_order(run.model, run.material, CkdConfig.parse(section))
    assert ordered(run, registry, section) is None
