"""Runs whose weight or temperature follows a schedule, or whose losses are balanced."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import ConfigError, UnknownNameError
from ckd_plugins.host.checkpoint import read_checkpoint
from ckd_plugins.registry import Registry
from ckd_plugins.training.parts import check_parts

Run = Callable[..., dict[str, Any]]
TEACHERS = ["unisrec", "vqrec"]
NOTHING = {"name": "linear", "from": 0, "to": 0, "epochs": 3}
LATE = {"name": "hold", "from": 0, "to": 2, "epochs": 1}


def of(result: dict[str, Any], name: str) -> list[Any]:
    return [entry.get(name) for entry in result["ckd"]["history"]]


@pytest.mark.parametrize("section", [{}, {"targets": "once"}, {"balance": "uncertainty"}, {"balance": "gradient_norm"}])
def test_a_schedule_of_zeros_is_the_plain_run(run: Run, section: dict[str, Any]) -> None:
    """A distillation that is off all the time must not move a bit, whatever else is set."""
    plain, off = run("SASRec"), run("SASRec", TEACHERS, ckd={"weight": NOTHING, **section})
    assert of(off, "train_loss") == of(plain, "train_loss")
    assert off["test_result"] == plain["test_result"]


@pytest.mark.parametrize("model", ["SASRec", "BPR"])
def test_until_the_weight_rises_the_run_is_plain(run: Run, model: str) -> None:
    """Where the softmax takes targets along, a weight that is read once would distil from the start or never."""
    plain, late = run(model), run(model, TEACHERS, ckd={"weight": LATE})
    assert of(late, "train_loss")[0] == of(plain, "train_loss")[0]
    assert of(late, "train_loss")[1] != of(plain, "train_loss")[1]
    assert of(late, "distillation_loss")[0] == 0
    assert of(late, "own_loss")[0] == of(late, "loss")[0]
    assert of(late, "distillation_loss")[1] == pytest.approx(2 * of(late, "distillation")[1], rel=1e-4)
    assert of(late, "schedule/weight") == [0, 2]
    assert late["ckd"]["targets"] == ("once" if model == "SASRec" else "batch")


def test_the_shared_softmax_follows_the_weight(run: Run) -> None:
    """The weight is part of what the softmax is given: a stale one would show in no ratio, only beside the scores."""
    grows = {"name": "linear", "from": 1, "to": 5, "epochs": 2}
    still = {"epochs": 3, "dropout_prob": 0.0, "hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0}
    fast = run("SASRec", TEACHERS, ckd={"weight": grows}, **still)
    slow = run("SASRec", TEACHERS, ckd={"weight": grows, "speed": {"softmax": False}}, **still)
    assert fast["ckd"]["targets"] == "once"
    for name in ("loss", "own_loss", "distillation_loss", "distillation"):
        assert of(fast, name) == pytest.approx(of(slow, name), rel=2e-3), name
    for weight, weighted, plain in zip([1, 3, 5], of(fast, "distillation_loss"), of(fast, "distillation"), strict=True):
        assert weighted == pytest.approx(weight * plain, rel=1e-4)
    assert [fast["ckd"]["config"]["weight"][key] for key in ("from", "to", "epochs")] == [1, 5, 2]


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        ({"name": "linear", "from": 1, "to": 3, "epochs": 2}, "batch"),
        ({"name": "linear", "from": 1, "to": 1, "epochs": 2}, "once"),
        ({"name": "linear", "from": 3, "to": 1, "epochs": 2}, "batch"),
    ],
)
def test_a_temperature_that_moves_is_not_the_softmaxs_own(run: Run, temperature: dict[str, Any], expected: str) -> None:
    """It starts at 1, where the loss is one that the softmax can take along, and is none an epoch later."""
    result = run("SASRec", TEACHERS, ckd={"temperature": temperature}, epochs=1)
    assert result["ckd"]["targets"] == expected


def test_integrated_once_with_a_temperature_reads_the_scores_where_it_must(run: Run) -> None:
    """Epochs at temperature 1 and at 2 are of one run: the second must not be computed at 1."""
    hot = run("SASRec", TEACHERS, ckd={"targets": "once", "temperature": 2.0}, epochs=1)
    cold = run("SASRec", TEACHERS, ckd={"targets": "once"}, epochs=1)
    for first, expected in ((2, hot), (1, cold)):
        ramp = {"name": "hold", "from": first, "to": 3 - first, "epochs": 1}
        found = run("SASRec", TEACHERS, ckd={"targets": "once", "temperature": ramp})
        assert of(found, "loss")[0] == pytest.approx(of(expected, "loss")[0], rel=1e-6)
        assert of(found, "schedule/temperature") == [first, 3 - first]


@pytest.mark.parametrize("model", ["SASRec", "BPR", "LightGCN", "DeepFM"])
def test_gradient_norms_are_measured_in_every_family(run: Run, model: str) -> None:
    """Its graph is walked three times: custom steps that spend their buffers, or a softmax that is shared, break it."""
    balance = {"name": "gradient_norm", "every": 2}
    result = run(model, TEACHERS, ckd={"balance": balance, "weight": 0.5})
    factors = of(result, "balance/distillation")
    assert all(value > 0 and value != 0.5 for value in factors)
    assert of(result, "balance/own") == [1, 1]
    for factor, weighted, plain in zip(
        factors, of(result, "distillation_loss"), of(result, "distillation"), strict=True
    ):
        assert weighted == pytest.approx(factor * plain, rel=0.2)  # means of products


def test_an_integrator_that_learns_can_be_balanced(run: Run) -> None:
    """Its own objective comes in the same number as the distillation's: the gate must learn as without a balance."""
    pace = {"difficulty": None, "teachers": {"schedule": "steps", "epochs": 1}}
    found = []
    for balance in ("fixed", "gradient_norm", "uncertainty"):
        section = {"balance": balance, "integrator": "learned", "curriculum": pace}
        found.append(of(run("SASRec", TEACHERS, ckd=section, epochs=4, learning_rate=0.01), "weight/unisrec"))
    assert found[0][0] == 1
    assert found[0][3] < found[0][1] - 0.03
    assert found[1] == pytest.approx(found[0], abs=0.01)
    assert found[2] == pytest.approx(found[0], abs=0.01)


@pytest.mark.parametrize("targets", ["once", "batch"])
def test_variances_are_learned_and_never_saved(run: Run, targets: str) -> None:
    """A checkpoint with another entry, in weights or optimizer, is none that stock RecBole loads."""
    plain = run("SASRec")
    balance = {"name": "uncertainty", "learning_rate": 0.1}
    result = run("SASRec", TEACHERS, ckd={"balance": balance, "targets": targets})
    own, other = of(result, "balance/own"), of(result, "balance/distillation")
    assert own[1] < own[0] < 1  # a loss of some nats counts less
    assert other[0] != other[1]
    ours, theirs = (read_checkpoint(Path(one["ckd"]["checkpoint"])) for one in (result, plain))
    assert set(ours.tensors) == set(theirs.tensors)
    assert set(ours.values) == set(theirs.values)
    groups = [[len(group["params"]) for group in one.values["optimizer"]["param_groups"]] for one in (ours, theirs)]
    assert groups[0] == groups[1]


def test_what_is_watched_is_in_every_log(run: Run) -> None:
    """Step time and the distillation's part of it, beside the terms, in the events and in TensorBoard."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = run("BPR", TEACHERS, ckd={"curriculum": True})
    folder = Path(result["ckd"]["run_dir"])
    events = [json.loads(line) for line in (folder / "events.jsonl").open()]
    logged = [event for event in events if event["event"] == "epoch"]
    board = EventAccumulator(str(folder / "tensorboard")).Reload()
    names = {"own_loss", "distillation_loss", "gate/effective", "competence", "rows", "step_seconds"}
    names |= {f"{what}/{one}" for what in ("weight", "confidence", "consistency", "known") for one in TEACHERS}
    for name in {*names, "distillation_seconds"}:
        values = [event[name] for event in logged]
        assert values == of(result, name)
        assert [point.value for point in board.Scalars(f"ckd/{name}")] == pytest.approx(values, rel=1e-5)
    assert all(
        0 < part < whole
        for part, whole in zip(of(result, "distillation_seconds"), of(result, "step_seconds"), strict=True)
    )


@pytest.mark.parametrize(
    ("section", "kind", "message"),
    [
        ({"weight": {**LATE, "name": "linaer"}}, UnknownNameError, "ramp 'linaer'"),
        ({"balance": "unsure"}, UnknownNameError, "balance 'unsure'"),
        ({"balance": {"name": "gradient_norm", "every": 0}}, ConfigError, "every must be 1 or more"),
        (
            {"loss": "mse", "temperature": {"name": "linear", "from": 1, "to": 2, "epochs": 2}},
            ConfigError,
            "loss 'mse' has no temperature that could",
        ),
    ],
)
def test_mistakes_show_before_anything_runs(
    registry: Registry, section: dict[str, Any], kind: type[Exception], message: str
) -> None:
    """Weights are built with the student, after teachers that took an hour."""
    with pytest.raises(kind, match=message):
        check_parts(CkdConfig.parse({"teachers": TEACHERS, **section}), registry)
