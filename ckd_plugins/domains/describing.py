"""Domains in numbers: how large, how dense, how long, how well described, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.domain import Domain

__all__ = ["Description", "Overlap", "Spread", "describe", "overlaps"]


@dataclass(frozen=True)
class Spread:
    """How a number is spread over users, items or texts."""

    least: int
    median: float
    mean: float
    most: int


@dataclass(frozen=True)
class Description:
    """One domain, all of its interactions counted."""

    name: str
    users: int
    items: int
    """Of the catalogue, those without interactions too."""
    interactions: int
    density: float
    """Share of the pairs (user, item) with an interaction; repeats count once."""
    length: Spread
    """Interactions of a user."""
    popularity: Spread
    """Interactions of an item."""
    unseen: int
    """Items without interactions."""
    with_text: int
    """Items with a text."""
    words: Spread | None
    """Words of a text, split at white space; ``None`` without texts."""


@dataclass(frozen=True)
class Overlap:
    """What two domains share, by token."""

    first: str
    second: str
    users: int
    users_share: float
    """Of the users of the domain that has fewer."""
    users_are_numbers: bool
    """All tokens are plain numbers: two sources that number independently seem to share nearly everything."""
    items: int
    items_share: float
    items_are_numbers: bool


def describe(domain: Domain) -> Description:
    """Describe a domain that was read without holding anything out."""
    lengths, popularity = np.diff(domain.offsets), domain.popularity
    user = np.repeat(np.arange(domain.n_users, dtype=np.int64), lengths)
    pairs = len(np.unique(user * domain.n_items + domain.sequence))
    texts = np.array([len(text.split()) for text in domain.text if text is not None], dtype=np.int64)
    return Description(
        name=domain.name,
        users=domain.n_users,
        items=domain.n_items,
        interactions=len(domain.sequence),
        density=pairs / (domain.n_users * domain.n_items),
        length=_spread(lengths),
        popularity=_spread(popularity),
        unseen=int((popularity == 0).sum()),
        with_text=len(texts),
        words=_spread(texts) if len(texts) else None,
    )


def overlaps(domains: Sequence[Domain]) -> list[Overlap]:
    """Return what each two of the domains share; tokens are compared as they are."""
    users, items = ([set(getattr(domain, of)) for domain in domains] for of in ("users", "items"))
    pairs = combinations(range(len(domains)), 2)
    return [
        Overlap(domains[a].name, domains[b].name, *_shared(users[a], users[b]), *_shared(items[a], items[b]))
        for a, b in pairs
    ]


def _shared(first: set[str], second: set[str]) -> tuple[int, float, bool]:
    both = first & second
    numbers = all(token.isdecimal() for token in first | second)
    return len(both), len(both) / min(len(first), len(second)), numbers


def _spread(values: npt.NDArray[np.int64]) -> Spread:
    return Spread(int(values.min()), float(np.median(values)), float(values.mean()), int(values.max()))
