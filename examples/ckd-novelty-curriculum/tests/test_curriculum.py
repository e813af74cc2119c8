"""The measure on rows few enough to count by hand, and the schedule's promises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ckd_novelty_curriculum import plugin
from ckd_novelty_curriculum.difficulty import novelty
from ckd_novelty_curriculum.schedule import Sigmoid

from ckd_plugins.curriculum import CurriculumSampler, Evidence, combine


def rows(*steps: tuple[int | None, int], n_items: int = 4) -> Evidence:
    """Evidence with one row a step (last item or none, target)."""
    flat = np.array([0 if last is None else last for last, _ in steps])
    at = np.arange(len(steps))
    stop = at + np.array([last is not None for last, _ in steps])
    return Evidence(flat, at, stop, np.array([target for _, target in steps]), np.ones(n_items))


def test_is_what_the_equation_says() -> None:
    """Guards against counting the row itself, which would make every lone step look frequent."""
    found = novelty(rows((0, 1), (0, 1), (0, 2), (3, 1)))
    expected = [math.log((2 + 4) / 2), math.log((2 + 4) / 2), math.log((2 + 4) / 1), math.log(4 / 1)]
    assert found.tolist() == pytest.approx(expected)


def test_a_row_without_a_history_is_neither_easy_nor_hard() -> None:
    """Guards against an invented last item: such rows must come out as NaN, and in the middle when combined."""
    found = novelty(rows((None, 1), (0, 1), (0, 2)))
    assert np.isnan(found).tolist() == [True, False, False]
    assert np.isnan(combine({"novelty": found})).sum() == 0
    assert np.isnan(novelty(rows((None, 1)))).all()


def test_refuses_no_smoothing() -> None:
    """Guards against the logarithm of 0."""
    with pytest.raises(ValueError, match="smoothing"):
        novelty(rows((0, 1)), smoothing=0.0)


def test_competence_grows_from_start_to_one() -> None:
    """Guards against a jump at the end and against a start that is not the one asked for."""
    schedule = Sigmoid(start=0.3, until=0.8)
    values = [schedule(t) for t in np.linspace(0, 1, 101)]
    assert values[0] == pytest.approx(0.3)
    assert values == sorted(values)
    assert values[-1] == 1.0
    assert schedule(0.4) == pytest.approx(0.65)
    assert 1 - schedule(0.799) < 0.01


@pytest.mark.parametrize("options", [{"start": 0.0}, {"until": 1.5}, {"steepness": 0.0}])
def test_refuses_numbers_out_of_range(options: dict[str, Any]) -> None:
    """Guards against a curriculum that never begins or never ends."""
    with pytest.raises(ValueError, match="sigmoid"):
        Sigmoid(**options)


def test_draws_the_usual_steps_first(ckd_manager: Any) -> None:
    """Guards against a broken record, and against the wrong direction."""
    ckd_manager.register(plugin, "novelty_curriculum")
    evidence = rows((0, 1), (0, 1), (0, 1), (2, 3))
    measure = ckd_manager.get("difficulty", "novelty").load()
    schedule = ckd_manager.get("schedule", "sigmoid").load()(start=0.75, until=1.0)
    sampler = CurriculumSampler(combine({"novelty": measure(evidence)}), schedule, epochs=4)
    assert sorted(sampler) == [0, 1, 2]
