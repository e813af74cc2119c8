"""A merged dataset's material taken apart again: what a teacher of one domain is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.instances import Instances
from ckd_plugins.errors import ConfigError
from ckd_plugins.training.material import Material

__all__ = ["DomainMaterial", "take_apart"]


@dataclass(frozen=True)
class DomainMaterial:
    """One domain of a run's data."""

    name: str
    material: Material
    """Its users, items and instances only; names are those of the merged data."""
    rows: NDArray[np.int64]
    """``[R']`` the run's row of each of its instances."""
    items: NDArray[np.int64]
    """``[I']`` RecBole's id of each of its items."""

    def keys(self, teacher: object, n_rows: int) -> NDArray[np.uint64]:
        """A teacher's keys of the run's ``n_rows`` rows; 0 (unknown) for those of other domains."""
        found = np.zeros(n_rows, np.uint64)
        found[self.rows] = teacher.keys(self.material.instances)  # type: ignore[attr-defined]
        return found


def take_apart(whole: Material) -> list[DomainMaterial]:
    """Part a run's data by domain.

    Raises:
        ConfigError: the data are of one domain, or a user has interactions in several.
    """
    if not whole.domains:
        raise ConfigError(
            f"ckd.domains.teachers: each trains teachers for each domain, and dataset {whole.domain.name!r} is not "
            f"merged from several; name several, or leave it out"
        )
    return [_part(whole, at) for at in range(len(whole.domains))]


def _part(whole: Material, at: int) -> DomainMaterial:
    d, given = whole.domain, whole.instances
    own_item = whole.item_domain[1:] == at
    number = np.cumsum(own_item) - 1
    items = np.flatnonzero(own_item)
    own = own_item[d.sequence]
    in_domain = np.add.reduceat(own, d.offsets[:-1])  # every train user has an interaction
    if bool(((in_domain > 0) & (in_domain < np.diff(d.offsets))).any()):
        raise ConfigError(
            "ckd.domains.teachers: each needs users apart, and one has interactions in several domains; set it to "
            "shared, or merge with ckd.domains.users: apart"
        )
    users = np.flatnonzero(in_domain > 0)
    tokens = tuple(d.items[i] for i in items)
    domain = Domain(
        name=whole.domains[at],
        items=tokens,
        text=tuple(d.text[i] for i in items),
        users=tuple(d.users[u] for u in users),
        offsets=np.concatenate([[0], np.cumsum(np.diff(d.offsets)[users])]),
        sequence=number[d.sequence[own]],
        valid=_renumbered(d.valid[users], number),
        test=_renumbered(d.test[users], number),
        attributes={name: tuple(values[i] for i in items) for name, values in d.attributes.items()},
    )
    before = np.concatenate([[0], np.cumsum(own_item[given.flat])])
    start, stop = before[given.start], before[given.stop]
    # A row is the domain's if its target is; one without a history is nobody's.
    rows = np.flatnonzero(own_item[given.target] & (stop > start))
    user_of = np.full(d.n_users + 1, -1)  # the last is that of rows whose user nobody says
    user_of[users] = np.arange(len(users))
    instances = Instances(
        tokens,
        number[given.flat[own_item[given.flat]]],
        start[rows],
        stop[rows],
        number[given.target[rows]],
        domain.users,
        user_of[given.user[rows]],
    )
    user_row = np.where(whole.user_row < 0, -1, user_of[whole.user_row])
    material = replace(
        whole, domain=domain, instances=instances, user_row=user_row, domains=(), item_domain=np.zeros(0, np.int64)
    )
    return DomainMaterial(whole.domains[at], material, rows, items + 1)


def _renumbered(items: NDArray[np.int32], number: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.where(items < 0, -1, number[items]).astype(np.int32)
