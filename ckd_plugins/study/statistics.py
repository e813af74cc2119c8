"""Whether one way of training is better than another: paired over users, averaged over seeds.

Both ways are run with the same seeds and judged on the same users. Each user's metric is averaged over the seeds, and
the differences of these averages are tested user by user. That is the common test of retrieval and recommendation:
differences between users are many times those between systems, and pairing takes them out.

- **p value**: the paired t test, two-sided, on the mean difference, which is what a table shows. Metrics of single
  users are far from normal, but means over hundreds of users are near it, and on real rankings the t test keeps its
  level best (Urbano, Lima & Hanjalic, SIGIR 2019; Smucker, Allan & Carterette, CIKM 2007). Wilcoxon's signed-rank test
  is given beside it: it goes by the order of the differences that are not zero, not by their mean, so that it may
  disagree.
- **interval of the gain**: a gain is a ratio, whose denominator is uncertain too, so it is bootstrapped: users are
  drawn with replacement, 95% of the resampled gains lie within (percentiles).
- **seeds**: both take the trained models as given. How much training itself varies is shown by an interval of its own:
  Student's t over the seeds' mean differences.
- **several rows**: of twenty comparisons with one baseline, one is below .05 by chance. :func:`holm` adjusts the p
  values of a table (Holm, Scandinavian Journal of Statistics, 1979): the chance of any false one stays at the level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ckd_plugins.errors import ConfigError

__all__ = ["Comparison", "compare", "holm"]

_RESAMPLES = 2000
_LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """What two ways of training differ by, in one metric."""

    baseline: float
    """Its mean over users and seeds."""
    other: float
    difference: float
    """``other - baseline``."""
    difference_interval: tuple[float, float]
    """95%, over users."""
    gain: float
    """``other / baseline - 1``; NaN where the baseline is 0."""
    gain_interval: tuple[float, float]
    """95%, over users; NaN where the baseline is 0 in a resample that counts."""
    seed_interval: tuple[float, float]
    """95% of the difference, over seeds; NaN with one seed."""
    p: float
    """Of the paired t test over users; 1 where no user differs."""
    p_wilcoxon: float
    """Of Wilcoxon's signed-rank test over users; 1 where no user differs."""
    users: int
    seeds: int


def compare(baseline: ArrayLike, other: ArrayLike, *, seed: int = 0) -> Comparison:
    """Compare two ways of training by a metric of single users.

    Args:
        baseline: ``[S, U]``, a row a seed and a column a user.
        other: ``[S, U]`` of the same seeds and users in the same order.
        seed: of the bootstrap's draws.

    Raises:
        ConfigError: the two are not of the same shape, or there are fewer than two users.

    Example:
        >>> from ckd_plugins.study.statistics import compare
        >>> found = compare([[0.1, 0.4, 0.2, 0.3]], [[0.2, 0.4, 0.4, 0.4]])
        >>> round(found.gain, 2), found.users, found.seeds
        (0.4, 4, 1)
    """
    from scipy import stats

    one, two = (np.atleast_2d(np.asarray(values, dtype=np.float64)) for values in (baseline, other))
    if one.shape != two.shape or one.ndim != 2 or one.shape[1] < 2 or not len(one):
        raise ConfigError(
            f"a paired comparison needs the same seeds and two users or more on both sides, and these are {one.shape} "
            f"and {two.shape} (seeds, users); compare runs with equal seeds on one dataset"
        )
    before, after = one.mean(axis=0), two.mean(axis=0)
    change = after - before
    p = p_wilcoxon = 1.0
    low = high = float(change.mean())
    if np.ptp(change) > 0:
        test = stats.ttest_rel(after, before)
        low, high = test.confidence_interval(_LEVEL)
        p, p_wilcoxon = float(test.pvalue), float(stats.wilcoxon(change).pvalue)
    elif change[0] != 0:  # everybody differs by the same: no variance to divide by
        p, p_wilcoxon = 0.0, float(stats.wilcoxon(change).pvalue)
    return Comparison(
        baseline=float(before.mean()),
        other=float(after.mean()),
        difference=float(change.mean()),
        difference_interval=(float(low), float(high)),
        gain=_gain(before.mean(), after.mean()),
        gain_interval=_bootstrap(before, after, seed),
        seed_interval=_over_seeds((two - one).mean(axis=1)),
        p=p,
        p_wilcoxon=p_wilcoxon,
        users=one.shape[1],
        seeds=len(one),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p values of a family of tests, in their order; below the level are those that hold together.

    Example:
        >>> from ckd_plugins.study.statistics import holm
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted, least = [1.0] * len(p_values), 0.0
    for place, row in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[row]))
        adjusted[row] = least
    return adjusted


def _gain(before: float, after: float) -> float:
    return float(after / before - 1) if before else float("nan")


def _bootstrap(before: NDArray[np.float64], after: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """95% of the relative gain, over users drawn anew in pairs."""
    from scipy import stats

    if not before.any():
        return float("nan"), float("nan")

    def gain(one: NDArray[np.float64], two: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        return np.asarray(two.mean(axis=axis) / one.mean(axis=axis) - 1)

    with np.errstate(divide="ignore", invalid="ignore"):  # few users, and all of them drawn have 0
        found = stats.bootstrap(
            (before, after),
            gain,
            paired=True,
            vectorized=True,
            n_resamples=_RESAMPLES,
            batch=100,  # of 50,000 users 40 MB at a time
            confidence_level=_LEVEL,
            method="percentile",
            random_state=np.random.default_rng(seed),
        ).confidence_interval
    return float(found.low), float(found.high)


def _over_seeds(differences: NDArray[np.float64]) -> tuple[float, float]:
    from scipy import stats

    if len(differences) < 2:
        return float("nan"), float("nan")
    mean, error = differences.mean(), stats.sem(differences)
    reach = stats.t.ppf((1 + _LEVEL) / 2, len(differences) - 1) * error
    return float(mean - reach), float(mean + reach)
