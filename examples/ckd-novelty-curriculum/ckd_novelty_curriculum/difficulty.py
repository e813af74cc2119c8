"""Difficulty: how unusual the user's step is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ckd_plugins.curriculum import Evidence

__all__ = ["novelty"]


def novelty(evidence: Evidence, *, smoothing: float = 1.0) -> npt.NDArray[np.float64]:
    r"""Surprise at the step from the last item :math:`l` of a row's history to its target :math:`t`.

    .. math:: d(r) = -\log \frac{n(l, t) - 1 + a}{n(l) - 1 + a\,n}

    with the number of training rows that take this step, :math:`n(l, t)`, that start from the same item, :math:`n(l)`,
    the number of items :math:`n` and the smoothing :math:`a`. The row itself is not counted: a step that nobody else
    takes is as novel as one that nobody takes. Self-information is a usual measure of novelty (Castells, Hurley &
    Vargas, "Novelty and Diversity in Recommender Systems", Recommender Systems Handbook); that of a step as a
    difficulty is this plugin's.

    Args:
        evidence: the training rows.
        smoothing: :math:`a`, above 0.

    Returns:
        ``[R]``; NaN for a row without a history.
    """
    if not smoothing > 0:
        raise ValueError(f"difficulty novelty: smoothing must be above 0, not {smoothing}")
    surprise = np.full(len(evidence), np.nan)
    known = evidence.stop > evidence.start
    if not known.any():
        return surprise
    n_items = len(evidence.popularity)
    last, target = evidence.flat[evidence.stop[known] - 1], evidence.targets[known]
    _, which, steps = np.unique(last * n_items + target, return_inverse=True, return_counts=True)
    leaving = np.bincount(last, minlength=n_items)
    likely = (steps[which] - 1 + smoothing) / (leaving[last] - 1 + smoothing * n_items)
    surprise[known] = -np.log(likely)
    return surprise
