"""How hard a row is: what measures are shown, their options, and faults that are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ckd_plugins import DifficultySpec, hookimpl
from ckd_plugins.config import CkdConfig
from ckd_plugins.curriculum.difficulty import teacher_confidence
from ckd_plugins.curriculum.evidence import Evidence
from ckd_plugins.curriculum.memory import LossMemory
from ckd_plugins.distillation.integrators import Best as BestTeacher
from ckd_plugins.distillation.soft_targets import SoftTargets, integrate
from ckd_plugins.errors import ConfigError, PluginError
from ckd_plugins.registry import Registry
from ckd_plugins.signals.base import Signal
from ckd_plugins.signals.best import Best, find_best
from ckd_plugins.signals.dense import DenseSignal
from ckd_plugins.signals.factors import FactorSignal
from ckd_plugins.training import measuring
from ckd_plugins.training.measuring import Difficulty
from ckd_plugins.training.parts import check_parts

Prepare = Callable[..., Any]


class Measures:
    """A measure that keeps what it saw, and faulty ones."""

    seen: Evidence

    @hookimpl
    def ckd_register_difficulties(self) -> Iterator[DifficultySpec]:
        yield DifficultySpec(name="looks", factory=self.looks, teachers=1)
        yield DifficultySpec(
            name="own_words", factory=lambda seen, *, turned=False: np.arange(len(seen)) * (1 - 2 * turned)
        )
        yield DifficultySpec(name="short", factory=lambda evidence: np.zeros(3))
        yield DifficultySpec(name="raises", factory=lambda evidence: {}["price"])
        yield DifficultySpec(name="ignorant", factory=lambda evidence: np.full(len(evidence), np.nan))

    def looks(self, evidence: Evidence) -> np.ndarray:
        self.seen = evidence
        return np.zeros(len(evidence))


def difficulty_of(
    run: Any,
    registry: Registry,
    measures: Any,
    signals: Sequence[Signal] = (),
    soft: SoftTargets | None = None,
    memory: LossMemory | None = None,
) -> Difficulty:
    curriculum = CkdConfig.parse({"curriculum": {"difficulty": measures}}).curriculum
    assert curriculum is not None
    return Difficulty(curriculum, run.material, signals, registry, soft, memory)


def measured(run: Any, registry: Registry, *given: Any) -> NDArray[np.float64]:
    return difficulty_of(run, registry, *given)()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("short", r"gives an array \(3,\) for \d+ rows"),
        ("raises", "fails: KeyError: 'price'"),
        ("ignorant", "knows nothing of any row"),
    ],
)
def test_a_faulty_measure_is_named_with_its_plugin(prepare: Prepare, registry: Registry, name: str, says: str) -> None:
    """'3004 lengths for 3 rows' named no measure, and a curriculum of NaN was a lottery that looked like one."""
    registry.register(Measures(), "measures")
    with pytest.raises(PluginError, match=f"difficulty '{name}' of plugin 'measures' {says}"):
        measured(prepare("BPR"), registry, name)


def test_a_measures_options_reach_it(prepare: Prepare, registry: Registry) -> None:
    """The direction of length is not known from the paper: whoever tries the other one must not train the first."""
    run = prepare("SASRec")
    plain, turned = (measured(run, registry, {"length": option}) for option in (1.0, {"short_is_hard": True}))
    lengths = run.material.instances.lengths
    assert plain[lengths.argmax()] == 1.0
    assert turned[lengths.argmin()] == 1.0
    assert turned[lengths.argmax()] < 0.5
    mixed = measured(run, registry, {"length": {"weight": 3, "short_is_hard": True}, "popularity": 1e-9})
    assert np.corrcoef(mixed, turned)[0, 1] > 0.95


def test_a_measure_names_its_evidence_as_it_likes(prepare: Prepare, registry: Registry) -> None:
    """It is called by position: one that says 'rows' or 'seen' was told that it lacked an option of that name."""
    registry.register(Measures(), "measures")
    run = prepare("BPR")
    config = CkdConfig.parse({"curriculum": {"difficulty": {"own_words": {"turned": True}}}})
    check_parts(config, registry)
    assert measured(run, registry, {"own_words": {"turned": True}})[0] == 1.0


def test_teachers_are_not_asked_for_what_the_student_loses(prepare: Prepare, registry: Registry) -> None:
    """They were asked about the whole catalogue, row by row, for a measure that looks at nothing of it."""
    run = prepare("BPR")
    memory = LossMemory(len(run.material.instances))
    signal = DenseSignal.from_arrays(torch.zeros(len(run.splits.train_dataset), len(run.material.tokens)))
    signal.scores = lambda *_: pytest.fail("a teacher was asked")  # type: ignore[method-assign]
    assert len(difficulty_of(run, registry, "student_loss", [signal], None, memory)()) == len(memory.losses)


@pytest.mark.parametrize(
    ("measures", "says"),
    [
        ({"length": {"short_is_hart": True}}, "unknown option 'short_is_hart' of difficulty 'length'"),
        ({"popularity": {"over": "all"}}, "option 'over' of difficulty 'popularity'"),
        ({"length": {"weight": 0}}, "length"),
    ],
)
def test_wrong_options_are_told_before_anything_runs(run: Callable[..., Any], measures: Any, says: str) -> None:
    """Measures are asked after the teachers are trained."""
    with pytest.raises(ConfigError, match=says):
        run("BPR", ckd={"curriculum": {"difficulty": measures}})


def test_what_the_student_lost_is_asked_anew(prepare: Prepare, registry: Registry) -> None:
    """Measured once, before the first epoch, it would be nothing at all."""
    run = prepare("BPR")
    memory = LossMemory(len(run.material.instances))
    difficulty = difficulty_of(run, registry, {"student_loss": 1.0}, (), None, memory)
    assert (difficulty() == 1.0).all()  # all in the middle
    memory.see(torch.tensor([4, 7, 9]), torch.tensor([3.0, 0.5, 1.0]))
    found = difficulty()
    assert found[4] == 1.0
    assert found[7] < found[0] == found[1] < found[4]


@pytest.mark.parametrize("model", ["SASRec", "BPR", "DeepFM"])
def test_a_student_is_taught_what_it_can_do_first(run: Callable[..., Any], model: str) -> None:
    """End to end, for a shared softmax, pairs, and points: rows must be drawn by losses that were measured."""
    curriculum = {"difficulty": {"student_loss": 1.0}, "schedule": {"name": "linear", "start": 0.5}, "epochs": 3}
    result = run(model, ["unisrec"], ckd={"curriculum": curriculum}, epochs=4)
    shares = [epoch["competence"] for epoch in result["ckd"]["history"]]
    assert shares[0] == pytest.approx(0.5)
    assert shares[-1] == 1.0


def test_losses_are_read_only_while_rows_are_drawn_by_them(
    prepare: Prepare, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading scores of each batch went on to the end: for FM or DeepFM another forward pass of 64 pairs a row."""
    seen: list[int] = []
    monkeypatch.setattr(LossMemory, "see", lambda memory, rows, losses: seen.append(len(rows)))
    curriculum = {"difficulty": "student_loss", "schedule": {"name": "linear", "start": 0.5}, "epochs": 2}
    result = run("BPR", ["unisrec"], ckd={"curriculum": curriculum}, epochs=4)
    shares = [epoch["competence"] for epoch in result["ckd"]["history"]]
    rows = len(prepare("BPR").material.instances)
    assert sum(seen) == pytest.approx(rows * sum(share for share in shares if share < 1), abs=3)


def test_a_student_without_teachers_is_not_watched(run: Callable[..., Any]) -> None:
    """Its losses are read on the way of distillation."""
    with pytest.raises(ConfigError, match="'student_loss' asks at least 1 of the teachers and 0 are named"):
        run("BPR", ckd={"curriculum": {"difficulty": "student_loss"}})


def test_evidence_is_the_runs_own(prepare: Prepare, registry: Registry) -> None:
    """Lengths and popularity of other rows would make a curriculum of noise."""
    measures = Measures()
    registry.register(measures, "measures")
    run = prepare("SASRec")
    measured(run, registry, "looks")
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
    measured(run, registry, "looks", signals)
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
    section = "looks"
    measured(run, registry, section, signals)
    asked = measures.seen
    targets = torch.from_numpy(run.material.instances.target).long() + 1
    blocks = list(integrate(signals, BestTeacher(), targets, n, 10))
    soft = SoftTargets(**{name: torch.cat([block[name] for block in blocks]) for name in blocks[0]})
    for signal in signals:
        monkeypatch.setattr(signal, "scores", None)
    measured(run, registry, section, signals, soft)
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
    section = "teacher_confidence"
    known, confident, _ = measuring._ask(run.material, signals)
    exact = (confident * known).sum(dim=1) / known.sum(dim=1)
    found, disputed = measuring._teachers_view(run.material, signals, None, {teacher_confidence})
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-7)
    assert disputed is None
    assert np.isnan(found).any()
    assert (found == 0).any()  # the target is the item that nobody knows
    monkeypatch.setattr(measuring, "_ask", lambda *_: pytest.fail("the catalogue was scored"))
    assert measured(run, registry, section, signals).shape == (len(run.splits.train_dataset),)


def test_what_looks_at_disagreement_gets_it(prepare: Prepare, registry: Registry) -> None:
    """The short cut knows no disagreement: a measure that looks at it, a plugin's too, must not find None there."""
    measures = Measures()
    registry.register(measures, "measures")
    run = prepare("BPR")
    signals = [listed(len(run.splits.train_dataset), len(run.material.tokens), seed) for seed in range(2)]
    measured(run, registry, ["looks", "teacher_confidence"], signals)
    assert measures.seen.disagreement is not None


def test_one_teacher_has_nobody_to_disagree_with(prepare: Prepare, registry: Registry) -> None:
    """NaN everywhere would be taken for 'neither easy nor hard', and the curriculum would be a lottery."""
    run = prepare("BPR")
    signal = DenseSignal.from_arrays(torch.zeros(len(run.splits.train_dataset), len(run.material.tokens)))
    with pytest.raises(ConfigError, match="teacher_disagreement needs teachers; name two or more"):
        measured(run, registry, "teacher_disagreement", [signal])
