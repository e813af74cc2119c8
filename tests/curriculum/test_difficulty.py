from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckd_plugins.curriculum.difficulty import (
    cdf,
    combine,
    length,
    popularity,
    teacher_confidence,
    teacher_disagreement,
)
from ckd_plugins.curriculum.evidence import Evidence
from ckd_plugins.errors import ConfigError, DataError

HISTORIES, TARGETS, COUNTS = [[0], [0, 2, 1], [3, 3], []], [2, 3, 1, 0], [4, 0, 2, 10]


@pytest.fixture
def evidence():
    stops = np.cumsum([len(h) for h in HISTORIES])
    return Evidence(
        flat=[i for h in HISTORIES for i in h],
        start=stops - [len(h) for h in HISTORIES],
        stop=stops,
        targets=TARGETS,
        popularity=COUNTS,
        confidence=[0.9, 0.1, np.nan, 0.4],
        disagreement=[0.0, 0.5, np.nan, 0.2],
    )


def test_length_is_the_history(evidence):
    """Guards the direction: long is hard, and the switch turns it."""
    assert length(evidence).tolist() == [1, 3, 2, 0]
    assert length(evidence, short_is_hard=True).tolist() == [-1, -3, -2, 0]


def test_popularity_is_the_mean_surprise(evidence):
    """Guards the equation: mean (not sum) of -log p over history and target, items without counts as one."""

    def surprise(item):
        return -math.log(max(COUNTS[item], 1) / sum(COUNTS))

    wanted = [np.mean([surprise(i) for i in [*h, t]]) for h, t in zip(HISTORIES, TARGETS, strict=True)]
    np.testing.assert_allclose(popularity(evidence), wanted)
    np.testing.assert_allclose(popularity(evidence, popular_is_hard=True), -np.array(wanted))
    np.testing.assert_allclose(popularity(evidence, over="target"), [surprise(t) for t in TARGETS])
    with pytest.raises(ConfigError, match="'sequence' or 'target'"):
        popularity(evidence, over="user")


def test_what_teachers_foresee_is_easy_and_what_they_dispute_hard(evidence):
    """Guards the directions."""
    np.testing.assert_allclose(teacher_confidence(evidence), [0.1, 0.9, np.nan, 0.6])
    np.testing.assert_allclose(teacher_confidence(evidence, confident_is_hard=True), [0.9, 0.1, np.nan, 0.4])
    np.testing.assert_allclose(teacher_disagreement(evidence), [0, 0.5, np.nan, 0.2])
    np.testing.assert_allclose(teacher_disagreement(evidence, agreement_is_hard=True), [0, -0.5, np.nan, -0.2])


@pytest.mark.parametrize("measure", [teacher_confidence, teacher_disagreement])
def test_measures_of_teachers_need_teachers(measure):
    """Guards against a curriculum over None."""
    with pytest.raises(ConfigError, match=f"difficulty {measure.__name__} needs teachers"):
        measure(Evidence(flat=[0], start=[0], stop=[1], targets=[0], popularity=[1]))


@given(st.lists(st.floats(allow_infinity=True, allow_nan=False, width=16), min_size=1, max_size=30))
def test_cdf_is_the_share_of_rows_that_are_no_harder(values):
    """Guards against ties with different places and against a scale that depends on the number of rows."""
    wanted = [sum(other <= value for other in values) / len(values) for value in values]
    np.testing.assert_allclose(cdf(np.array(values)), wanted)


def test_rows_that_a_measure_does_not_know_are_in_the_middle():
    """Guards against NaN sorted to the end: rows without teachers would all come last."""
    np.testing.assert_allclose(cdf(np.array([3.0, np.nan, 1.0])), [1.0, 0.5, 0.5])
    assert cdf(np.array([np.nan, np.nan])).tolist() == [0.5, 0.5]


def test_measures_are_weighed_after_their_scale_is_taken_out():
    """Guards against a measure that wins because its numbers are large."""
    small, large = np.array([0.1, 0.2, 0.3, 0.4]), np.array([4e6, 3e6, 1e6, 2e6])
    joint = 0.75 * cdf(small) + 0.25 * cdf(large)
    np.testing.assert_allclose(combine({"a": small, "b": large}, {"a": 3, "b": 1}), cdf(joint))
    np.testing.assert_allclose(combine({"a": small, "b": large}, {"b": 0}), cdf(small))
    np.testing.assert_allclose(combine({"a": small * 1e9 - 5}), combine({"a": small}))


def test_hard_first_turns_the_order():
    """Guards against an anti-curriculum that is the curriculum."""
    values = np.array([1.0, 2.0, 2.0, 9.0])
    assert combine({"a": values}).argsort()[0] == 0
    np.testing.assert_allclose(combine({"a": values}, direction="hard_first"), [1.0, 0.75, 0.75, 0.25])


def test_rows_that_are_equal_stay_equal():
    """Guards against ties broken by rounding: 0.1 + 0.2 and 0.3 are one difficulty."""
    rest = [4.0, 5, 6, 7, 8, 9, 10]
    measures = {
        name: np.array([*ranks, *rest]) for name, ranks in zip("abc", ([1, 2, 3], [2, 3, 1], [3, 1, 2]), strict=True)
    }
    assert (
        len(set(sum(cdf(values) for values in measures.values())[:3].tolist())) == 2
    )  # (.1 + .2) + .3 and (.2 + .3) + .1
    assert combine(measures)[:3].tolist() == [0.3, 0.3, 0.3]


def test_contradictions_are_refused():
    """Guards against a curriculum in the order of the file."""
    values = np.arange(3.0)
    with pytest.raises(ConfigError, match="at least one measure"):
        combine({})
    with pytest.raises(ConfigError, match="weight for 'lenght', which is none of its measures"):
        combine({"length": values}, {"lenght": 1.0})
    with pytest.raises(ConfigError, match="weights must be 0 or more"):
        combine({"length": values}, {"length": 0.0})
    with pytest.raises(ConfigError, match="direction must be"):
        combine({"length": values}, direction="easy")
    with pytest.raises(DataError, match="measures differ in rows"):
        combine({"length": values, "other": np.arange(4.0)})
