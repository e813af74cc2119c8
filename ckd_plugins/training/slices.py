"""Test metrics of slices: each domain, items that training never saw, short histories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ckd_plugins.domains.naming import item_domains
from ckd_plugins.errors import ConfigError
from ckd_plugins.host.data import Splits
from ckd_plugins.host.ranks import Ranks
from ckd_plugins.training.material import Material
from ckd_plugins.training.per_user import PerUser, per_user

__all__ = ["SHORT", "slices", "slices_of"]

SHORT = 5
"""Most training interactions of a user whose history is short."""


def slices_of(
    ranks: Ranks | None, splits: Splits, config: Any, material: Material, metrics: Iterable[str]
) -> dict[str, Any]:
    """Metrics of the slices of a split by its ranks; empty where there are none, as it was not ranked in full."""
    if ranks is None:
        return {}
    return slices(per_user(ranks, splits, config, material), metrics, material.domains)


def slices(found: PerUser, metrics: Iterable[str], domains: Sequence[str] = ()) -> dict[str, Any]:
    """Metrics of the slices of a split.

    Args:
        found: ranks of the held-out items by user.
        metrics: names such as ``ndcg@10``; those that ranks do not tell are left out.
        domains: of merged data, whose items are named ``domain/item``.

    Returns:
        ``all``, ``cold_items`` (held-out items that training never saw), ``short_histories`` (users with at most
        :data:`SHORT` training interactions), and of merged data ``domains`` by name and ``macro``, their mean:
        metrics by name, and ``users``, how many they are the mean of. A slice without users is left out.
    """
    names = [metric for metric in metrics if _told_by(found, metric)]
    told: dict[str, Any] = {"all": _slice(found, names)}
    if domains:
        held_out, index = item_domains(found.item.tolist())
        there = [name for name in domains if name in held_out]
        told["domains"] = {name: _slice(found.where(index == held_out.index(name)), names) for name in there}
        told["macro"] = {m: float(np.mean([one[m] for one in told["domains"].values()])) for m in names}
    for name, keep in (("cold_items", found.popularity == 0), ("short_histories", found.history <= SHORT)):
        if keep.any():
            told[name] = _slice(found.where(keep), names)
    return told


def _slice(found: PerUser, metrics: Iterable[str]) -> dict[str, float]:
    return {"users": len(found.users), **{metric: float(found.values(metric).mean()) for metric in metrics}}


def _told_by(found: PerUser, metric: str) -> bool:
    try:
        found.values(metric)
    except ConfigError:
        return False
    return True
