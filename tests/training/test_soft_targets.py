"""Teachers integrated once: the same run by the shared softmax and by reading, for every family, and cached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins import IntegratorSpec, hookimpl
from ckd_plugins.distillation.integrators import ConfidenceConsistency, Opinions
from ckd_plugins.errors import ConfigError, PluginError
from ckd_plugins.host.speed import cross_entropy
from ckd_plugins.registry import Registry
from ckd_plugins.training import made_by

from .conftest import FAST_TEACHER

Run = Callable[..., dict[str, Any]]
TEACHERS = ("unisrec", "vqrec")


def losses(result: dict[str, Any], name: str = "loss") -> list[float]:
    return [epoch[name] for epoch in result["ckd"]["history"]]


class Anneals(ConfidenceConsistency):
    """Sharper from epoch to epoch."""

    def set_epoch(self, epoch: int) -> None:
        self.gamma = 1 / (epoch + 1)


class Spoils(ConfidenceConsistency):
    """Gives the eleventh row of a block a gate that is no number, which no small trial meets."""

    spoilt = True

    def weigh(self, opinions: Opinions) -> tuple[torch.Tensor, torch.Tensor]:
        weights, gate = super().weigh(opinions)
        if self.spoilt:
            gate[10:11] = torch.nan
        return weights, gate


class Annealing:
    @hookimpl
    def ckd_register_integrators(self) -> list[IntegratorSpec]:
        return [
            IntegratorSpec(name="anneals", factory=Anneals, summary="sharper from epoch to epoch"),
            IntegratorSpec(name="spoils", factory=Spoils, summary="no number here and there"),
        ]


@pytest.fixture
def anneals(registry: Registry) -> None:
    """An integrator of a plugin that is not the same in every epoch."""
    registry.register(Annealing(), "annealing")


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows took soft targets along in each softmax."""
    seen: list[int] = []
    own = cross_entropy._LinearCrossEntropy.apply

    def apply(x: Any, table: Any, target: Any, soft: Any) -> Any:
        if soft is not None:
            seen.append(len(x))
        return own(x, table, target, soft)

    monkeypatch.setattr(cross_entropy._LinearCrossEntropy, "apply", staticmethod(apply))
    return seen


@pytest.mark.parametrize("model", ["SASRec", "GRU4Rec"])
def test_the_shared_softmax_trains_the_student_that_reading_does(run: Run, shares: list[int], model: str) -> None:
    """What makes it fast must not make it another method."""
    fast = run(model, TEACHERS, ckd={"targets": "once"}, dropout_prob=0.0, hidden_dropout_prob=0.0)
    taken = len(shares)
    slow = run(
        model,
        TEACHERS,
        ckd={"targets": "once", "speed": {"softmax": False, "dropout": False}},
        dropout_prob=0.0,
        hidden_dropout_prob=0.0,
    )
    assert taken > 0
    assert len(shares) == taken
    for name in ("loss", "own_loss", "distillation_loss", "distillation", "gate/effective", "weight/vqrec"):
        assert losses(fast, name) == pytest.approx(losses(slow, name), rel=2e-3), name
    assert losses(fast, "loss")[-1] == pytest.approx(
        losses(fast, "own_loss")[-1] + losses(fast, "distillation_loss")[-1], rel=1e-4
    )


@pytest.mark.parametrize("model", ["LightGCN", "DeepFM", "MultiVAE", "SASRecPlus", "BPR"])
def test_every_family_learns_from_lists(run: Run, shares: list[int], model: str) -> None:
    """Students without a softmax over the catalogue read the listed items; the setting must not be SASRec's alone."""

    def at(weight: float) -> dict[str, Any]:
        section = {"targets": {"when": "once", "top": 10}, "weight": weight}
        return run(model, TEACHERS, ckd=section, epochs=4, learning_rate=0.01)

    faint, strong = at(1e-6), at(10.0)
    assert shares == []
    values = losses(strong, "distillation")
    assert all(0 < value < 100 for value in values)
    assert values[-1] < losses(faint, "distillation")[-1]
    assert {"weight/unisrec", "confidence/vqrec", "known/unisrec"} <= set(strong["ckd"]["history"][0])


def test_weight_zero_is_the_plain_run(run: Run) -> None:
    """A distillation that is switched off must not train."""
    plain, off = run("SASRec"), run("SASRec", TEACHERS, ckd={"targets": "once", "weight": 0.0})
    assert losses(off, "train_loss") == losses(plain, "train_loss")
    assert off["test_result"] == plain["test_result"]


def test_an_equal_run_finds_them_and_another_does_not(run: Run, tmp_path: Path) -> None:
    """Integrating a catalogue takes minutes; targets of other rows, teachers or settings would be silently wrong."""

    def kept() -> set[str]:
        return {folder.name for folder in (tmp_path / "cache" / "targets").glob("[!.]*")}

    run("SASRec", TEACHERS, ckd={"targets": "once"}, epochs=1)
    first = kept()
    stamp = {f: f.stat().st_mtime_ns for f in (tmp_path / "cache" / "targets").rglob("*.npy")}
    run("SASRec", TEACHERS, ckd={"targets": "once", "weight": 3.0}, epochs=1)
    assert kept() == first
    assert all(f.stat().st_mtime_ns == time for f, time in stamp.items())
    for other in (
        {"targets": {"when": "once", "top": 7}},
        {"targets": "once", "integrator": "uniform"},
        {"targets": "once", "integrator": {"name": "confidence_consistency", "gamma": 0.5}},
    ):
        before = kept()
        run("SASRec", TEACHERS, ckd=other, epochs=1)
        assert len(kept() - before) == 1, other
    before = kept()
    label = {"name": "vqrec", **FAST_TEACHER, "as": "codes"}
    run("SASRec", ckd={"targets": "once", "teachers": [{"name": "unisrec", **FAST_TEACHER}, label]}, epochs=1)
    assert len(kept() - before) == 1, "an integrator may go by labels"
    before = kept()
    run("BPR", TEACHERS, ckd={"targets": "once"}, epochs=1)
    run("SASRec", TEACHERS[:1], ckd={"targets": "once"}, epochs=1)
    assert len(kept() - before) == 2


def test_a_truncated_file_is_told_and_made_anew(run: Run, tmp_path: Path) -> None:
    """Half a file would be another row's list from some row on."""
    run("SASRec", TEACHERS, ckd={"targets": "once"}, epochs=1)
    (file,) = (tmp_path / "cache" / "targets").glob("*/probs.npy")
    file.write_bytes(file.read_bytes()[:-4])
    size = file.stat().st_size
    run("SASRec", TEACHERS, ckd={"targets": "once"}, epochs=1)
    assert file.stat().st_size == size + 4


def test_a_killed_integration_leaves_nothing_that_is_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that were not reached would be distilled towards item 0."""
    from ckd_plugins.training import soft_targets

    own = soft_targets.integrate

    def stops(*args: Any) -> Any:
        yield next(own(*args))
        raise KeyboardInterrupt

    monkeypatch.setattr(soft_targets, "integrate", stops)
    with pytest.raises(KeyboardInterrupt):
        run("SASRec", TEACHERS, ckd={"targets": "once"}, epochs=1)
    assert not list((tmp_path / "cache" / "targets").glob("*/manifest.json"))
    monkeypatch.setattr(soft_targets, "integrate", own)
    assert losses(run("SASRec", TEACHERS, ckd={"targets": "once"}, epochs=1), "known/unisrec") == [1.0]


def test_wrong_settings_are_told(run: Run) -> None:
    """A misspelt word would train by batches without a word."""
    with pytest.raises(ConfigError, match=r"ckd\.targets"):
        run("SASRec", TEACHERS, ckd={"targets": "onec"})


@pytest.mark.parametrize(
    ("model", "section", "expected"),
    [
        ("SASRec", {}, "once"),
        ("SASRec", {"loss": "cross_entropy"}, "once"),
        ("SASRec", {"speed": {"softmax": False}}, "once"),
        ("SASRec", {"candidates": "in_batch"}, "batch"),
        ("SASRec", {"temperature": 2.0}, "batch"),
        ("SASRec", {"targets": "batch"}, "batch"),
        ("SASRec", {"weight": 0.0}, "batch"),
        ("BPR", {}, "batch"),
        ("BPR", {"targets": "once"}, "once"),
        ("SASRec", {"integrator": "anneals"}, "batch"),
    ],
)
@pytest.mark.usefixtures("anneals")
def test_integrated_once_where_it_costs_nothing(run: Run, model: str, section: dict[str, Any], expected: str) -> None:
    """A speed setting must not choose the method, and candidates that a user names must not be passed over.

    An integrator that changes from epoch to epoch was integrated once, as it is before the first.
    """
    assert run(model, TEACHERS, ckd=section, epochs=1)["ckd"]["targets"] == expected


@pytest.mark.usefixtures("anneals")
def test_what_once_cannot_do_is_told_before_anything_runs(run: Run, tmp_path: Path) -> None:
    """After teachers that took an hour; or never: the other items of a list that is cut are no zeros to be learnt."""
    for section, says in (
        ({"candidates": "full"}, r"ckd\.candidates is 'full'"),
        ({"integrator": "anneals"}, "'anneals' learns, or changes from epoch to epoch"),
        ({"integrator": "learned"}, "'learned' learns, or changes"),
        ({"loss": "mse", "targets": {"when": "once", "over": "catalogue"}}, "'mse' compares all items"),
        ({"loss": "reverse_kl", "targets": {"when": "once", "over": "catalogue"}}, "'reverse_kl' compares all items"),
    ):
        with pytest.raises(ConfigError, match=says):
            run("SASRec", TEACHERS, ckd={"targets": "once", **section})
    assert not (tmp_path / "cache" / "teachers").exists()


@pytest.mark.usefixtures("anneals", "fakes")
def test_what_is_not_finite_is_refused_and_not_kept(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN was stored, and the next run failed of it after the plugin had been mended."""
    section = {"targets": "once", "teachers": ["last"], "integrator": "spoils"}
    says = r"integrator 'spoils' of plugin 'annealing' gives NaN or infinite gate in \d+ of \d+ rows; mend it"
    with pytest.raises(PluginError, match=says):
        run("SASRec", ckd=section, epochs=1)
    assert not [*(tmp_path / "cache" / "targets").glob("[!.]*")]
    monkeypatch.setattr(Spoils, "spoilt", False)
    assert losses(run("SASRec", ckd=section, epochs=1))


@pytest.mark.usefixtures("anneals", "fakes")
def test_an_edited_integrator_integrates_anew(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever works on a plugin bumps no version, and was answered by what its code had been."""
    monkeypatch.setattr(Spoils, "spoilt", False)
    for source, kept in (("a", 1), ("b", 2), ("a", 2)):
        monkeypatch.setattr(made_by, "_source", lambda code, source=source: source)
        run("SASRec", ckd={"targets": "once", "teachers": ["last"], "integrator": "spoils"}, epochs=1)
        stores = {path.name for path in (tmp_path / "cache" / "signals").glob("[!.]*")}
        targets = {path.name for path in (tmp_path / "cache" / "targets").glob("[!.]*")}
        assert (len(stores), len(targets)) == (kept, kept)
