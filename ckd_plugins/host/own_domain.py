"""Ranking within the domain of what is looked for, where the catalogue is that of several domains."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ckd_plugins.errors import DataError

__all__ = ["check_domains", "keep_own_domain"]


def keep_own_domain(scores: Tensor, positive_u: Tensor, positive_i: Tensor, item_domain: Tensor) -> None:
    """Set the scores of other domains' items to ``-inf``, in place.

    A row's domain is that of its held-out item; a row with held-out items of several keeps the items of each of those.

    Args:
        scores: ``[R, n_items]``.
        positive_u: int64 ``[P]``, the row of each held-out item.
        positive_i: int64 ``[P]``, the item.
        item_domain: int64 ``[n_items]``, each item's domain from 0, -1 for padding.
    """
    of = item_domain.to(scores.device)
    row, item = positive_u.to(scores.device), positive_i.to(scores.device)
    # One column more than domains: -1 is the last, and nobody's.
    own = torch.zeros(len(scores), int(of.max()) + 2, dtype=torch.bool, device=scores.device)
    own[row, of[item]] = True
    scores.masked_fill_(~own[:, of], -torch.inf)


def check_domains(config: Any, item_domain: NDArray[np.int64], names: tuple[str, ...]) -> None:
    """Find out before training whether each domain has more items than the metrics look at.

    Raises:
        DataError: one has not: what is not its own would be among its best.
    """
    sizes = np.bincount(item_domain[item_domain >= 0], minlength=len(names)).tolist()
    least = min(range(len(names)), key=lambda at: sizes[at])
    if max(config["topk"]) >= sizes[least]:
        raise DataError(
            f"domain {names[least]!r}: topk asks for {max(config['topk'])} of its {sizes[least]} items; set topk "
            f"lower, or ckd.domains.rank to all"
        )
