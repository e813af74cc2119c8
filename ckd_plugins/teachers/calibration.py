"""The unit of a black box's scores, found on validation targets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["fitted_temperature"]

_STEPS = torch.logspace(-2.5, 1.5, 33, dtype=torch.float64)
"""Temperatures that are tried, in standard deviations of the scores."""


def fitted_temperature(scores: npt.NDArray[np.float32], target: npt.NDArray[np.integer]) -> float:
    """Return the temperature under which a softmax over the scores makes the targets likeliest.

    Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017), by a search over a grid.
    A model that knows nothing of the targets gets a high one: its softmax is flat.

    Args:
        scores: ``[B, n]``; ``-inf`` counts as no candidate.
        target: ``[B]`` a column each.

    Returns:
        A positive number; 1 where no row has a scored target, or all scores are one.
    """
    table = torch.from_numpy(scores)
    picked = torch.from_numpy(np.asarray(target, dtype=np.int64))
    own = table.gather(1, picked[:, None])[:, 0]
    asked = torch.isfinite(own)
    table, own = table[asked], own[asked]
    finite = torch.isfinite(table)
    if not len(own) or float(spread := table[finite].double().std()) < 1e-12 or not torch.isfinite(spread):
        return 1.0
    losses = [float((torch.logsumexp(table / t, dim=1) - own / t).double().mean()) for t in _STEPS * spread]
    return float(_STEPS[int(np.argmin(losses))] * spread)
