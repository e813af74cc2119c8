from __future__ import annotations

import numpy as np
import pytest

from ckd_plugins.teachers.calibration import fitted_temperature


def drawn(unit: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Scores in some unit, and targets drawn from the softmax of what they were before."""
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((n, 12))
    target = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    return (unit * logits).astype(np.float32), target


@pytest.mark.parametrize("unit", [0.01, 1.0, 300.0])
def test_the_unit_that_targets_were_drawn_in_is_found(unit: float) -> None:
    """Cosines at temperature 1 are a flat distribution that teaches nothing; sums of counts teach one item."""
    assert fitted_temperature(*drawn(unit)) == pytest.approx(unit, rel=0.2)


def test_what_is_no_candidate_does_not_count() -> None:
    """One -inf would make every likelihood NaN, and the least NaN is the first temperature."""
    scores, target = drawn(1.0)
    masked = np.concatenate([scores, np.full((len(scores), 3), -np.inf, np.float32)], axis=1)
    assert fitted_temperature(masked, target) == pytest.approx(fitted_temperature(scores, target))


@pytest.mark.parametrize(
    "scores", [np.zeros((3, 4), np.float32), np.full((3, 4), -np.inf, np.float32), np.zeros((0, 4), np.float32)]
)
def test_where_nothing_can_be_found_scores_stay_as_they_are(scores: np.ndarray) -> None:
    """A temperature of 0 or NaN would divide the scores into NaN."""
    assert fitted_temperature(scores, np.zeros(len(scores), int)) == 1.0
