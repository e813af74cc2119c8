"""The weight that a run has where none is set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ckd_plugins.config import CkdConfig
from ckd_plugins.registry import Registry
from ckd_plugins.training.default_weight import ELSEWHERE, SOFTMAX, weight_of
from ckd_plugins.training.readers import choose_reader

PAIRS = {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 1}}
RAMP = {"name": "linear", "from": 0.0, "to": 2.0, "epochs": 4}
SETTINGS = [
    ("SASRec", {}, {}, SOFTMAX),
    ("SASRec", {}, {"loss": "cross_entropy"}, SOFTMAX),
    ("SASRec", {}, {"loss": "mse"}, ELSEWHERE),
    ("SASRec", {}, {"balance": "gradient_norm"}, ELSEWHERE),
    ("SASRec", {}, {"weight": 0.5}, 0.5),
    ("SASRec", {}, {"weight": 0}, 0.0),
    ("SASRec", PAIRS | {"loss_type": "BPR"}, {}, ELSEWHERE),
    ("BPR", PAIRS, {}, ELSEWHERE),
]


@pytest.mark.parametrize(("model", "settings", "section", "weight"), SETTINGS)
def test_the_default_is_by_the_students_own_loss(
    prepare: Callable[..., Any], registry: Registry, model: str, settings: Any, section: Any, weight: float
) -> None:
    """A weight that suits a softmax drowns a pairwise loss; a weight that is set is not the user's any more."""
    run = prepare(model, **settings)
    reader = choose_reader(run.model, run.splits, run.host, registry)
    assert weight_of(CkdConfig.parse({"teachers": ["unisrec"], **section}), reader) == weight


def test_a_schedule_stays_one(prepare: Callable[..., Any], registry: Registry) -> None:
    """A schedule replaced by the default number."""
    run = prepare("BPR", **PAIRS)
    config = CkdConfig.parse({"teachers": ["unisrec"], "weight": RAMP})
    assert weight_of(config, choose_reader(run.model, run.splits, run.host, registry)) is config.weight
