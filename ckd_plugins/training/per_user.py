"""A run's ranks by user and item, in a small file: what paired tests and slices over users are made of.

Keyed by tokens, so that files of several runs, models and machines meet. Beside each rank lie the numbers that slices
go by: the length of the user's training history and the item's training interactions (0 for an item that training
never saw). In merged data an item's token begins with its domain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ckd_plugins._whole import whole
from ckd_plugins.errors import ConfigError, DataError
from ckd_plugins.host.ranks import Ranks
from ckd_plugins.host.rows import user_tokens
from ckd_plugins.training.material import Material

__all__ = ["PerUser", "file_name", "per_user", "read_per_user", "write_per_user"]

Ints = NDArray[np.signedinteger[Any]]
Metric = Callable[[Ints, Ints, Ints, int], NDArray[np.float64]]


@dataclass(frozen=True)
class PerUser:
    """One row for each held-out (user, item) pair, sorted by user and item."""

    user: NDArray[np.str_]
    """``[P]`` tokens."""
    item: NDArray[np.str_]
    """``[P]`` tokens."""
    rank: NDArray[np.int32]
    """``[P]`` from 1; 0 is none of the best ``k``."""
    history: NDArray[np.int32]
    """``[P]`` training interactions of the user."""
    popularity: NDArray[np.int32]
    """``[P]`` training interactions of the item."""
    k: int
    """The largest cut-off that a metric can have."""

    @property
    def users(self) -> NDArray[np.str_]:
        """``[U]`` distinct users, sorted."""
        return np.unique(self.user)

    def values(self, metric: str) -> NDArray[np.float64]:
        """A metric user by user, in the order of :attr:`users`; its mean is the run's metric.

        Args:
            metric: ``recall``, ``ndcg``, ``mrr``, ``hit`` or ``precision`` at a cut-off: ``ndcg@10``.

        Raises:
            ConfigError: there is no such metric, or its cut-off is beyond what was kept.
        """
        name, _, cut = metric.lower().partition("@")
        if name not in _METRICS or not cut.isdigit() or not 1 <= int(cut) <= self.k:
            raise ConfigError(
                f"no metric {metric!r} can be made of these ranks; take {', '.join(_METRICS)} at 1 to {self.k}, as in "
                f"ndcg@{min(10, self.k)}"
            )
        _, row = np.unique(self.user, return_inverse=True)
        return _METRICS[name](self.rank, row, np.bincount(row), int(cut))

    def where(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> PerUser:
        """The rows of a slice, ``found.where(found.popularity == 0)``, or in another order."""
        return PerUser(
            self.user[keep], self.item[keep], self.rank[keep], self.history[keep], self.popularity[keep], self.k
        )


def per_user(ranks: Ranks, splits: Any, config: Any, material: Material) -> PerUser:
    """Put ranks into tokens.

    Args:
        ranks: of one split.
        splits: the run's data.
        config: its RecBole config.
        material: the same data in tokens.
    """
    lengths = np.append(np.diff(material.domain.offsets), 0)  # the last one is that of users without a train sequence
    found = PerUser(
        user=np.array(user_tokens(splits, config))[ranks.user],
        item=np.array(["", *material.domain.items])[ranks.item],
        rank=ranks.rank,
        history=lengths[material.user_row[ranks.user]].astype(np.int32),
        popularity=material.popularity[ranks.item].astype(np.int32),
        k=ranks.k,
    )
    return found.where(np.lexsort((found.item, found.user)))


def file_name(split: str) -> str:
    """The file of a split (``valid`` or ``test``) in a run's folder."""
    return f"per_user-{split}.npz"


def write_per_user(path: Path, found: PerUser) -> None:
    """Write the file; a reader sees the whole of it or what it was before."""
    with whole(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **vars(found))


def read_per_user(path: Path) -> PerUser:
    """Read what :func:`write_per_user` wrote; nothing in the file is executed.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = {name: file[name] for name in PerUser.__dataclass_fields__}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DataError(
            f"{path} holds no ranks by user ({error}); they are written by a run with ckd.per_user: true"
        ) from error
    return PerUser(**{**columns, "k": int(columns["k"])})


def _sums(row: Ints, value: NDArray[np.float64], users: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(row, value, minlength=users), dtype=np.float64)


def _recall(rank: Ints, row: Ints, held_out: Ints, cut: int) -> NDArray[np.float64]:
    return _precision(rank, row, held_out, cut) * cut / held_out


def _precision(rank: Ints, row: Ints, held_out: Ints, cut: int) -> NDArray[np.float64]:
    return _sums(row, _found(rank, cut).astype(np.float64), len(held_out)) / cut


def _ndcg(rank: Ints, row: Ints, held_out: Ints, cut: int) -> NDArray[np.float64]:
    """Binary gains; the ideal ranking has a user's held-out items first, as in RecBole."""
    ideal = np.cumsum(1 / np.log2(np.arange(cut) + 2))
    gains = np.where(_found(rank, cut), 1 / np.log2(np.maximum(rank, 1) + 1), 0.0)
    return np.asarray(_sums(row, gains, len(held_out)) / ideal[np.minimum(held_out, cut) - 1])


def _mrr(rank: Ints, row: Ints, held_out: Ints, cut: int) -> NDArray[np.float64]:
    best: NDArray[np.float64] = np.zeros(len(held_out))
    np.maximum.at(best, row, np.where(_found(rank, cut), 1 / np.maximum(rank, 1), 0.0))
    return best


def _hit(rank: Ints, row: Ints, held_out: Ints, cut: int) -> NDArray[np.float64]:
    return np.asarray(_precision(rank, row, held_out, cut) > 0, dtype=np.float64)


def _found(rank: Ints, cut: int) -> NDArray[np.bool_]:
    return np.asarray((rank > 0) & (rank <= cut))


_METRICS: dict[str, Metric] = {"recall": _recall, "ndcg": _ndcg, "mrr": _mrr, "hit": _hit, "precision": _precision}
"""By ``[P]`` rank and row among the users, ``[U]`` number of held-out items, and the cut-off."""
