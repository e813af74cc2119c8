"""A measure or a schedule that breaks its contract is named before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ckd_plugins.curriculum.trials import try_difficulty, try_schedule
from ckd_plugins.errors import ConfigError, PluginError
from ckd_plugins.registry import Registry


def writes(evidence: Any) -> Any:
    counts = evidence.popularity
    counts[counts < 40] = 1
    return counts[evidence.targets]


def refuses(evidence: Any) -> Any:
    raise ConfigError("measure needs a thousand rows")


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        (lambda e: np.zeros(3), r"gives an array (3,) for 12 rows"),
        (lambda e: "hard", "fails: ValueError"),
        (lambda e: e.nothing, "fails: AttributeError"),
        (writes, "fails: ValueError: assignment destination is read-only"),
    ],
)
def test_a_measure_that_measures_wrongly_is_told(measure: Any, says: str) -> None:
    """One that wrote into its evidence changed what the next measure saw: the order of names decided the result."""
    with pytest.raises(PluginError) as caught:
        try_difficulty(measure, {})
    assert says in str(caught.value)


def test_made_up_rows_need_not_suit_a_measure() -> None:
    """A trial that stops a run which would have gone well is worse than none."""
    try_difficulty(refuses, {})


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (lambda progress: None, "fails at progress 0: TypeError"),
        (lambda progress: float("nan"), "gives nan at progress 0"),
        (lambda progress: 1 - progress, "falls from 1 to 0.9"),
        (lambda progress: progress / 2, "ends at 0.5"),
        (lambda progress: 5 - 3 * progress, "gives 5 at progress 0"),
        (0.5, "is a float, not a"),
    ],
)
def test_a_schedule_that_does_not_grow_is_told(schedule: Any, says: str) -> None:
    """A falling one was cut to 1 and trained without a curriculum, under its name."""
    with pytest.raises(PluginError) as caught:
        try_schedule(schedule)
    assert says in str(caught.value)


def test_what_the_package_has_passes() -> None:
    """A check that refuses what is right is worse than none."""
    registry = Registry(discover=False)
    for name in registry.names("schedule"):
        try_schedule(registry.get("schedule", name).load()())
    for name in registry.names("difficulty"):
        try_difficulty(registry.get("difficulty", name).load(), {})
