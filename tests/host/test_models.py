from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from ckd_plugins.errors import StudentError
from ckd_plugins.host.models import build_model, parameter_count


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
