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
from ckd_plugins.curriculum.difficulty import teacher_confidence
from ckd_plugins.curriculum.evidence import Evidence
from ckd_plugins.curriculum.sampler import CurriculumSampler
from ckd_plugins.distillation.integrators import Best as BestTeacher
from ckd_plugins.distillation.soft_targets import SoftTargets, integrate
from ckd_plugins.errors import ConfigError, UnknownNameError
from ckd_plugins.host.data import ROW_FIELD
from ckd_plugins.registry import Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.signals.best import Best, find_best
from ckd_plugins.signals.dense import DenseSignal
from ckd_plugins.signals.factors import FactorSignal
from ckd_plugins.training import ordering
from ckd_plugins.training.ordering import order_rows

Prepare = Callable[..., Any]
NEITHER = {"speed": {"trim": False, "bucket": False}}


def ordered(
    run: Any,
    registry: Registry,
    section: dict[str, Any] | None = None,
    signals: Sequence[Signal] = (),
    soft: SoftTargets | None = None,
) -> CurriculumSampler | None:
    config = CkdConfig.parse(section or {})
    return order_rows(run.model, run.splits, run.material, signals, config, run.host, registry, soft)


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


class Measures:
    """Two measures of a plugin: by row number, and one that keeps what it saw."""

    seen: Evidence

    @hookimpl
    def ckd_register_difficulties(self) -> Iterator[DifficultySpec]:
        yield DifficultySpec(name="row_number", factory=lambda evidence: np.arange(len(evidence), dtype=float))
        yield DifficultySpec(name="looks", factory=self.looks, teachers=1)

    def looks(self, evidence: Evidence) -> np.ndarray:
        self.seen = evidence
        return np.zeros(len(evidence))


@pytest.mark.parametrize(("direction", "easiest"), [("easy_first", slice(None, 1)), ("hard_first", slice(-1, None))])
@pytest.mark.parametrize("model", ["SASRec", "BPR"])
def test_a_plugins_difficulty_decides_which_rows_come_first(
    prepare: Prepare, registry: Registry, model: str, direction: str, easiest: slice
) -> None:
    """A registered measure that is looked up but not used would leave the default curriculum in place."""
    registry.register(Measures(), "measures")
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


def test_evidence_is_the_runs_own(prepare: Prepare, registry: Registry) -> None:
    """Lengths and popularity of other rows would make a curriculum of noise."""
    measures = Measures()
    registry.register(measures, "measures")
    run = prepare("SASRec")
    ordered(run, registry, {"curriculum": {"difficulty": "looks"}})
    features = run.splits.train_dataset.inter_feat
    assert measures.seen.lengths.tolist() == features["item_length"].tolist()
    assert (measures.seen.targets + 1).tolist() == features["item_id"].tolist()
    assert measures.seen.confidence is None


def test_teachers_are_asked_over_the_whole_catalogue(prepare: Prepare, registry: Registry) -> None:
    """Confidence without the teacher's temperature, or among other candidates, ranks rows in another order."""
    measures = Measures()
    registry.register(measures, "measures")
    run = prepare("BPR")
    n, rows = len(run.material.tokens), len(run.splits.train_dataset)
    generator = torch.Generator().manual_seed(0)
    tables = [torch.randn(rows, n, generator=generator) for _ in range(2)]
    known = [torch.rand(rows, generator=generator) < share for share in (0.8, 0.6)]
    signals = [
        DenseSignal.from_arrays(t, name=f"t{i}", temperature=0.5 + i, known=k)
        for i, (t, k) in enumerate(zip(tables, known, strict=True))
    ]
    ordered(run, registry, {"curriculum": {"difficulty": "looks"}}, signals)
    shares = [(t[:, 1:].double() / (0.5 + i)).softmax(-1).numpy() for i, t in enumerate(tables)]
    own = np.stack([s[np.arange(rows), run.material.instances.target] for s in shares])
    mask = np.stack([k.numpy() for k in known])
    with np.errstate(invalid="ignore"):
        expected = (own * mask).sum(0) / mask.sum(0)
    found = measures.seen.confidence
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isnan(found).any()
    middle = (shares[0] + shares[1]) / 2
    divergence = sum((s * np.log(s / middle)).sum(-1) for s in shares) / 2 / np.log(2)
    disputed = measures.seen.disagreement
    assert disputed is not None
    both = mask.all(0)
    assert np.isnan(disputed[~both]).all()
    # Each teacher against the other one; the divergence is symmetric, so the mean is the divergence itself.
    np.testing.assert_allclose(disputed[both], divergence[both], atol=1e-5)


@pytest.mark.parametrize("teachers", [1, 3])
def test_teachers_that_were_integrated_are_not_asked_again(
    prepare: Prepare, registry: Registry, monkeypatch: pytest.MonkeyPatch, teachers: int
) -> None:
    """Asking the catalogue costs as much as integrating it did; and the measures must be the same ones."""
    measures = Measures()
    registry.register(measures, "measures")
    run, generator = prepare("BPR"), torch.Generator().manual_seed(0)
    n, rows = len(run.material.tokens), len(run.splits.train_dataset)
    signals = [
        DenseSignal.from_arrays(
            3 * torch.randn(rows, n, generator=generator),
            name=f"t{k}",
            known=torch.rand(rows, generator=generator) < 0.6,
        )
        for k in range(teachers)
    ]
    section = {"curriculum": {"difficulty": "looks"}}
    ordered(run, registry, section, signals)
    asked = measures.seen
    targets = torch.from_numpy(run.material.instances.target).long() + 1
    blocks = list(integrate(signals, BestTeacher(), targets, n, 10))
    soft = SoftTargets(**{name: torch.cat([block[name] for block in blocks]) for name in blocks[0]})
    for signal in signals:
        monkeypatch.setattr(signal, "scores", None)
    ordered(run, registry, section, signals, soft)
    for name in ("confidence", "disagreement"):
        before, after = getattr(asked, name), getattr(measures.seen, name)
        if teachers == 1 and name == "disagreement":
            assert before is after is None
        else:
            assert np.isnan(before).any()
            np.testing.assert_array_equal(after, before)


def listed(rows: int, items: int, seed: int) -> FactorSignal:
    """A teacher with lists and totals, who does not know every fifth row and the last item."""
    generator = torch.Generator().manual_seed(seed)
    vectors, table = (torch.randn(n, 4, generator=generator) for n in (rows, items - 2))
    best = Best(*map(torch.from_numpy, find_best(vectors.numpy(), None, table.numpy(), 0.5, 3)))
    known = torch.where(torch.arange(rows) % 5 == 0, -1, torch.arange(rows))
    bound = torch.cat([torch.tensor([-1]), torch.arange(items - 2), torch.tensor([-1])])
    return FactorSignal(vectors, table, known, bound, name=f"t{seed}", temperature=0.5, best=best)


@pytest.mark.parametrize("teachers", [1, 2])
def test_confidence_that_is_stored_is_that_of_the_catalogue(
    prepare: Prepare, registry: Registry, monkeypatch: pytest.MonkeyPatch, teachers: int
) -> None:
    """A short cut that orders rows otherwise is another curriculum; one that scores all items is none."""
    run = prepare("BPR")
    signals = [listed(len(run.splits.train_dataset), len(run.material.tokens), seed) for seed in range(teachers)]
    section = {"curriculum": {"difficulty": "teacher_confidence"}}
    known, confident, _ = ordering._ask(run.material, signals)
    exact = (confident * known).sum(dim=1) / known.sum(dim=1)
    found, disputed = ordering._teachers_view(run.material, signals, None, {teacher_confidence})
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-7)
    assert disputed is None
    assert np.isnan(found).any()
    assert (found == 0).any()  # the target is the item that nobody knows
    monkeypatch.setattr(ordering, "_ask", lambda *_: pytest.fail("the catalogue was scored"))
    assert ordered(run, registry, section, signals) is not None


def test_what_looks_at_disagreement_gets_it(prepare: Prepare, registry: Registry) -> None:
    """The short cut knows no disagreement: a measure that looks at it, a plugin's too, must not find None there."""
    measures = Measures()
    registry.register(measures, "measures")
    run = prepare("BPR")
    signals = [listed(len(run.splits.train_dataset), len(run.material.tokens), seed) for seed in range(2)]
    ordered(run, registry, {"curriculum": {"difficulty": ["looks", "teacher_confidence"]}}, signals)
    assert measures.seen.disagreement is not None


def test_one_teacher_has_nobody_to_disagree_with(prepare: Prepare, registry: Registry) -> None:
    """NaN everywhere would be taken for 'neither easy nor hard', and the curriculum would be a lottery."""
    run = prepare("BPR")
    signal = DenseSignal.from_arrays(torch.zeros(len(run.splits.train_dataset), len(run.material.tokens)))
    with pytest.raises(ConfigError, match="teacher_disagreement needs teachers; name two or more"):
        ordered(run, registry, {"curriculum": {"difficulty": "teacher_disagreement"}}, [signal])


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
