"""Runs whose loss compares vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins import LossSpec, hookimpl
from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import ConfigError, StudentError
from ckd_plugins.host.checkpoint import read_checkpoint
from ckd_plugins.registry import Registry
from ckd_plugins.training.parts import check_parts

Run = Callable[..., dict[str, Any]]
TEACHERS = ["unisrec", "vqrec"]
LOSS = "feature_regression"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The teachers are the same in all runs."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    ("model", "reader", "options"),
    [
        ("SASRec", "sequence output", {}),
        ("SASRec", "sequence output", {"experts": 3, "epochs": 2}),
        ("LightGCN", "propagated embeddings", {"of": "rows"}),
        ("SASRecPlus", "every position", {"of": "items"}),
    ],
)
def test_the_estimators_learn_beside_the_student(
    run: Run, cache: Path, model: str, reader: str, options: dict[str, Any]
) -> None:
    """Guards against targets integrated once, and estimators that stay as they were or are in the checkpoint."""
    ckd = {"loss": {"name": LOSS, **options}, "cache_dir": str(cache)}
    result = run(model, TEACHERS, ckd=ckd, learning_rate=0.01, epochs=3)
    history = result["ckd"]["history"]
    assert (result["ckd"]["targets"], result["ckd"]["reader"]) == ("batch", reader)
    sides = ("rows", "items") if "of" not in options else (options["of"],)
    for side in sides:
        first, *_, last = (epoch[f"distillation/regression_{side}"] for epoch in history)
        assert 0 < last < first
    assert history[-1]["weight/unisrec"] + history[-1]["weight/vqrec"] == pytest.approx(1.0, abs=1e-4)
    plain, taught = (read_checkpoint(Path(r["ckd"]["checkpoint"])) for r in (run(model, epochs=1), result))
    assert taught.tensors.keys() == plain.tensors.keys()
    groups = [[len(g["params"]) for g in c.values["optimizer"]["param_groups"]] for c in (plain, taught)]
    assert groups[0] == groups[1]


def test_teachers_that_join_and_a_balance_go_with_it(run: Run, cache: Path) -> None:
    """Guards against a pace that needs scores, and against a balance that measures gradients of the estimators."""
    late = {"difficulty": None, "teachers": {"schedule": {"name": "steps", "stages": [0.5]}, "epochs": 1}}
    ckd = {"loss": LOSS, "curriculum": late, "balance": {"name": "gradient_norm", "every": 1}, "cache_dir": str(cache)}
    history = run("BPR", TEACHERS, ckd=ckd)["ckd"]["history"]
    assert [epoch["schedule/teachers"] for epoch in history] == [1, 2]
    assert history[-1]["balance/distillation"] > 0


def test_weight_0_is_the_plain_run(run: Run, cache: Path) -> None:
    """Making estimators must not move a random number of the student's."""
    plain = run("SASRec")
    off = run("SASRec", TEACHERS, ckd={"loss": LOSS, "weight": 0.0, "cache_dir": str(cache)})
    assert off["test_result"] == plain["test_result"]


@pytest.mark.parametrize("model", ["DeepFM", "MultiVAE"])
def test_a_student_without_vectors_is_refused_before_teachers_are_trained(run: Run, model: str, tmp_path: Path) -> None:
    """Guards against an hour of teachers for a loss that the student cannot have."""
    with pytest.raises(StudentError) as caught:
        run(model, ["unisrec"], ckd={"loss": LOSS})
    (line,) = str(caught.value).splitlines()
    assert f"the scores of {model} (read from its " in line
    assert line.endswith("take one of the losses kl, reverse_kl, js, mse, cross_entropy, listwise, pairwise")
    assert not list((tmp_path / "cache").glob("teachers/*"))
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"teachers": ["last", "lister"]}, "teacher 'lister' keeps lists of scores; leave that teacher out"),
        ({"teachers": {"name": "imported", "topk": "lists.tsv"}}, "teacher 'imported' keeps lists of scores"),
        ({"teachers": "last", "targets": "once"}, "ckd.targets: once keeps none; set ckd.targets to batch"),
        ({"teachers": "last", "domains": {"teachers": "each"}}, "have no space in common; set ckd.domains.teachers"),
        ({"teachers": "last", "loss": {"name": LOSS, "experts": 0}}, "experts must be 1 or more"),
        ({"teachers": "last", "loss": {"name": LOSS, "of": "both sides"}}, "option 'of'"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(
    registry: Registry, fakes: None, section: dict[str, Any], message: str
) -> None:
    """Guards against vectors that are asked of lists, or of targets that keep none."""
    with pytest.raises(ConfigError, match=message):
        check_parts(CkdConfig.parse({"loss": LOSS, **section}), registry)


def test_a_plugin_that_does_not_load_is_no_advice(run: Run, registry: Registry) -> None:
    """The refusal lists losses; a broken plugin among them must not hide what is wrong."""

    class Broken:
        @hookimpl
        def ckd_register_losses(self) -> Any:
            yield LossSpec(name="broken", factory="no_such_module:Loss")

    registry.register(Broken(), "broken-losses")
    with pytest.raises(StudentError, match=r"listwise, pairwise$"):
        run("DeepFM", ["unisrec"], ckd={"loss": LOSS})
