"""Comparisons against what the textbook's formulas give."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from ckd_plugins.errors import ConfigError
from ckd_plugins.study.statistics import compare, holm

BEFORE = np.array([[0.1, 0.4, 0.0, 0.3, 0.5], [0.3, 0.4, 0.2, 0.1, 0.5]])
AFTER = np.array([[0.2, 0.5, 0.1, 0.3, 0.4], [0.4, 0.7, 0.2, 0.3, 0.6]])


def test_the_t_test_is_over_users_after_averaging_seeds() -> None:
    """Users times seeds taken as independent would make any difference significant."""
    found = compare(BEFORE, AFTER)
    change = np.array([0.1, 0.2, 0.05, 0.1, 0.0])  # by hand, averaged over the two seeds
    t = change.mean() / (change.std(ddof=1) / np.sqrt(5))
    p = 2 * stats.t.sf(t, 4)
    reach = stats.t.ppf(0.975, 4) * change.std(ddof=1) / np.sqrt(5)
    assert (found.users, found.seeds) == (5, 2)
    assert found.p == pytest.approx(p)
    assert found.difference == pytest.approx(0.09)
    assert found.difference_interval == pytest.approx((0.09 - reach, 0.09 + reach))
    assert (found.baseline, found.other) == pytest.approx((0.28, 0.37))
    assert found.gain == pytest.approx(0.37 / 0.28 - 1)


def test_wilcoxon_is_exact_for_few_users() -> None:
    """Counted over all signs: of six positive ranks one assignment in 64 is as extreme on either side."""
    change = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06])
    ranks = range(1, 7)
    sums = [
        sum(r for r, sign in zip(ranks, signs, strict=True) if sign) for signs in itertools.product((0, 1), repeat=6)
    ]
    expected = 2 * sum(total >= 21 for total in sums) / len(sums)
    assert compare([np.ones(6)], [1 + change]).p_wilcoxon == pytest.approx(expected)


def test_the_seeds_interval_is_students() -> None:
    """An interval over users hides that one seed in two lost."""
    found = compare(BEFORE, AFTER)
    each = np.array([0.04, 0.14])
    reach = 12.7062047 * 0.05  # t(.975, 1 degree of freedom); the standard error of two is half their distance
    assert found.seed_interval == pytest.approx((each.mean() - reach, each.mean() + reach))
    assert np.isnan(compare(BEFORE[:1], AFTER[:1]).seed_interval).all()


def test_the_gains_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Unpaired draws, or a ratio of wrong things, would make it several times too wide or miss the gain."""
    rng = np.random.default_rng(1)
    inside, widths, trials = 0, [], 60
    for trial in range(trials):
        user = rng.gamma(1.0, 0.3, size=300)
        before = user + rng.normal(0, 0.02, size=300)
        after = 1.2 * user + rng.normal(0, 0.02, size=300)
        low, high = compare([before], [after], seed=trial).gain_interval
        inside += low <= 0.2 <= high
        widths.append(high - low)
    assert inside >= 0.85 * trials
    assert np.mean(widths) < 0.04


def test_chance_is_below_its_level_as_often_as_it_says() -> None:
    """A test that finds differences where there are none."""
    rng = np.random.default_rng(0)
    p = [compare(*(rng.random((2, 3, 200)) < 0.1)).p for _ in range(200)]
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.1


@pytest.mark.parametrize("shift", [0.0, 0.25])
def test_equal_differences_are_no_division_by_zero(shift: float) -> None:
    """NaN in a table for two runs with the same seed and the same settings."""
    found = compare([[0.25, 0.5, 0.75]], [[0.25 + shift, 0.5 + shift, 0.75 + shift]])
    assert found.p == (0.0 if shift else 1.0)
    assert found.p_wilcoxon == (pytest.approx(0.25) if shift else 1.0)
    assert found.difference_interval == pytest.approx((shift, shift))


def test_a_baseline_of_nothing_has_no_gain() -> None:
    """Infinity, or a warning, in the place of a gain."""
    found = compare([[0.0, 0.0, 0.0]], [[0.0, 0.5, 0.1]])
    assert np.isnan([found.gain, *found.gain_interval]).all()
    assert found.difference == pytest.approx(0.2)


@pytest.mark.parametrize("other", [[[0.1, 0.2]], [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]])
def test_other_users_or_seeds_are_refused(other: list[list[float]]) -> None:
    """By numpy's rules one seed would be compared with five."""
    with pytest.raises(ConfigError, match="same seeds"):
        compare([[0.1, 0.2, 0.3]], other)


def test_holm_by_hand() -> None:
    """Bonferroni for all, or adjusted values that go down where the p values go up."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
