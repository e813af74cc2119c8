"""No teacher may be pre-trained on what its student is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import DataError
from ckd_plugins.host.data import Splits
from ckd_plugins.host.rows import held_out_pairs

__all__ = ["refuse_leaks"]

_CHANCE = 0.5
"""Share of held-out interactions that a domain may hold by chance: catalogues that number users and items alike meet in
a few percent of their pairs, a copy of the student's data in all of them."""


def refuse_leaks(splits: Splits, config: Any, domains: Sequence[Domain]) -> None:
    """Compare what is held out with the interactions of each pre-training domain.

    Args:
        splits: the student's data.
        config: its RecBole config.
        domains: what teachers are pre-trained on.

    Raises:
        DataError: a domain holds most of the held-out interactions: it is the student's own data, whatever its name.
    """
    held_out = held_out_pairs(splits, config) if domains else set()
    for domain in domains:
        found = 0
        for user, (start, stop) in enumerate(zip(domain.offsets[:-1], domain.offsets[1:], strict=True)):
            token = domain.users[user]
            found += len({i for i in domain.sequence[start:stop].tolist() if (token, domain.items[i]) in held_out})
        if found > _CHANCE * len(held_out):
            raise DataError(
                f"pretrain_domains: {domain.name!r} holds {found} of the {len(held_out)} interactions that the student "
                f"is validated and tested on; teachers would know the answers; name other domains"
            )
