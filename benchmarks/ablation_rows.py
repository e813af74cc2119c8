"""What the ablation compares: families of students, the grid in which a plain one is tuned, and the rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gain import SETTINGS

Settings = dict[str, Any]

COMMON: Settings = {
    **{key: SETTINGS[key] for key in ("metrics", "valid_metric", "topk")},
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
}
"""How all families are split, ranked and chosen."""


@dataclass(frozen=True)
class Family:
    """A student, its settings, and what a plain one is tuned over."""

    settings: Settings
    grid: dict[str, tuple[Any, ...]]
    minutes: float
    """What a run takes at most on one thread, for the estimate before any has been finished."""

    def points(self) -> Iterator[Settings]:
        """Every combination of the grid."""
        for values in itertools.product(*self.grid.values()):
            yield dict(zip(self.grid, values, strict=True))


FAMILIES = {
    "SASRec": Family(
        # RecBole's own rate and dropout by name: where tuning chooses them, plain and tuned are the same runs.
        {**SETTINGS, **COMMON, "learning_rate": 1e-3, "hidden_dropout_prob": 0.5},
        {"learning_rate": (1e-3, 2e-3), "hidden_dropout_prob": (0.3, 0.5)},
        4.0,
    ),
    "LightGCN": Family(
        {
            **COMMON,
            "embedding_size": 64,
            "train_batch_size": 4096,
            "learning_rate": 5e-3,
            "epochs": 200,
            "eval_step": 5,
            "stopping_step": 5,
        },
        {"learning_rate": (2e-3, 1e-2), "n_layers": (2, 3), "reg_weight": (1e-5, 1e-3)},
        3.0,
    ),
    "DeepFM": Family(
        {
            **COMMON,
            "embedding_size": 64,
            # A full ranking scores one pair at a time, a minute or so: as long as fifteen plain epochs. RecBole's own
            # three layers of 128 units would make it two.
            "mlp_hidden_size": [64, 64, 64],
            "train_batch_size": 512,
            "epochs": 60,
            "eval_step": 5,
            "stopping_step": 2,
        },
        {"learning_rate": (1e-3, 3e-3, 1e-2), "dropout_prob": (0.2, 0.5)},
        8.0,
    ),
}


@dataclass(frozen=True)
class Row:
    """A way to train a student."""

    title: str
    ckd: Settings = field(default_factory=dict)
    """The ``ckd`` section beside teachers and folders."""
    teachers: Literal["none", "all", "first", "second"] = "all"
    tuned: bool = True
    """Whether the student has the tuned plain one's settings, or the family's."""
    reference: str | None = "distilled"
    """The row that it is one change away from."""


PLAIN = {
    "plain": Row("plain", teachers="none", tuned=False, reference=None),
    "tuned": Row("plain, tuned", teachers="none", reference="plain"),
}


def _distilled(weights: tuple[float, ...], base: Settings, changes: dict[str, Row]) -> dict[str, Row]:
    """A distilled student, of the first weight, and what is one change away from it.

    The weight is named, so that a run is the same one whatever the package's default is.
    """
    base = {**base, "weight": weights[0]}
    return {
        **PLAIN,
        "distilled": Row(f"distilled, weight {weights[0]:g}", base, reference="tuned"),
        **{f"weight-{other:g}": Row(f"weight {other:g}", {**base, "weight": other}) for other in weights[1:]},
        **{name: replace(row, ckd={**base, **row.ckd}) for name, row in changes.items()},
    }


def _candidates(limit: int | None) -> Settings:
    """So many of a batch's distinct targets, or all."""
    return {"candidates": {"name": "in_batch", "limit": limit}}


BATCH: Settings = {"targets": "batch"}
ROWS: dict[str, dict[str, Row]] = {
    "SASRec": _distilled(
        (4.0, 1.0, 9.0),
        {},
        {
            "no-confidence": Row("no confidence", {"integrator": "consistency"}),
            "no-consistency": Row("no consistency", {"integrator": "confidence"}),
            "uniform": Row("neither: uniform", {"integrator": "uniform"}),
            "best": Row("each row's best teacher", {"integrator": "best"}),
            "entropy": Row("weights by entropy", {"integrator": "entropy"}),
            "first": Row("first teacher alone", teachers="first"),
            "second": Row("second teacher alone", teachers="second"),
            "curriculum": Row("curriculum, length and popularity", {"curriculum": True}),
            "temperature-half": Row("teachers' temperature times 0.5", {"teacher_temperature": 0.5}),
            "temperature-2": Row("teachers' temperature times 2", {"teacher_temperature": 2.0}),
            "batch": Row("targets in batches, in-batch candidates", BATCH),
            "batch-top": Row(
                "targets in batches, the teachers' top", {**BATCH, "candidates": "teachers_top"}, reference="batch"
            ),
        },
    ),
    # A batch has thousands of distinct targets, and teachers are asked in each: 200 of them take a third of the time.
    "LightGCN": _distilled(
        (0.3, 0.1, 1.0, 3.0),
        _candidates(200),
        {
            "candidates-50": Row("50 candidates a batch", _candidates(50)),
            "candidates-all": Row("all targets of a batch", _candidates(None)),
        },
    ),
    # A forward pass for each pair of a row and a candidate: 16 take as long as eight plain epochs.
    "DeepFM": _distilled(
        (1.0, 0.1, 3.0),
        _candidates(16),
        {"candidates-4": Row("4 candidates a row", _candidates(4))},
    ),
}
"""By family, in the order in which they are run and shown."""
