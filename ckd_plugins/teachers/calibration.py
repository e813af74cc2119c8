"""The unit of a black box's scores, found on validation targets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.instances import Instances

__all__ = ["CALIBRATED", "fitted_temperature", "mask_chosen"]

CALIBRATED = 2048
"""Validation targets that a unit is found on, at most."""

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


def mask_chosen(scores: npt.NDArray[np.float32], held: Instances, domain: Domain) -> None:
    """Set to ``-inf`` what each row's user has chosen in training, its target excepted: as RecBole ranks for users.

    Args:
        scores: ``[len(held), n_items]``; changed.
        held: the domain's validation rows, or some of them.
        domain: whose users and items the rows go by.
    """
    for row, user in enumerate(held.user):
        seen = domain.sequence[domain.offsets[user] : domain.offsets[user + 1]]
        scores[row, seen[seen != held.target[row]]] = -np.inf
