from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ckd_plugins.errors import StudentError
from ckd_plugins.host.models import build_model, parameter_count, reason


def test_a_failing_constructor_is_one_line(prepare: Callable[..., Any]) -> None:
    """SASRec with 64 dimensions and 7 heads raises deep inside RecBole."""
    with pytest.raises(StudentError, match="SASRec cannot be built on ml-100k"):
        prepare("SASRec", n_heads=7)


def test_the_seed_decides_the_weights(prepare: Callable[..., Any]) -> None:
    """Two runs of one seed must start from the same weights, whatever ran before."""
    run = prepare("BPR")
    torch.rand(7)
    again = build_model(run.config, run.splits)
    assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), again.parameters(), strict=True))


def test_parameters_are_counted(prepare: Callable[..., Any]) -> None:
    """The report's parameter counts must be the model's."""
    run = prepare("BPR")
    assert parameter_count(run.model) == 64 * (run.splits.dataset.user_num + run.splits.dataset.item_num)


@pytest.mark.parametrize(
    ("model", "setting", "value"),
    [
        ("SASRec", "hidden_size", -1),
        ("SASRec", "n_heads", 7),
        ("SASRec", "n_heads", 0),
        ("BPR", "embedding_size", "x"),
        ("DiffRec", "sampling_steps", 99),
    ],
)
def test_a_setting_of_a_wrong_kind_is_one_line(
    prepare: Callable[..., Any], model: str, setting: str, value: object
) -> None:
    """RecBole checks none of them; torch's RuntimeError or ZeroDivisionError would end in a traceback."""
    with pytest.raises(StudentError, match=f"{model} cannot be built on ml-100k: .") as caught:
        prepare(model, **{setting: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("first\nsecond"), "first (RuntimeError)"),
        (AssertionError(), "AssertionError"),
        (KeyError("x"), "'x' (KeyError)"),
    ],
)
def test_a_reason_is_one_line_that_says_something(error: Exception, line: str) -> None:
    """An assertion has no message, torch's have many lines, and 'x' alone is no sentence."""
    assert reason(error) == line
