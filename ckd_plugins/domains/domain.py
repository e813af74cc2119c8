"""A domain: its items with their texts, and its users' interactions in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.instances import Instances
from ckd_plugins.domains.splits import leave_last_out, sort_by_user
from ckd_plugins.errors import DataError

__all__ = ["Domain", "align"]

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Domain:
    """Interactions of one domain, split for training, with the items' texts.

    ``sequence[offsets[u]:offsets[u + 1]]`` are the items that user ``u`` chose, oldest first. Teachers learn from
    ``sequence``, select on ``valid`` and never read ``test``.
    """

    name: str
    items: tuple[str, ...]
    """Item tokens; an item's index is its position here."""
    text: tuple[str | None, ...]
    """Each item's text; ``None`` when it has none, never an empty string."""
    users: tuple[str, ...]
    offsets: Int64
    """``[U + 1]`` bounds of each user's part of ``sequence``."""
    sequence: Int32
    """``[N]`` item indices of the training interactions."""
    valid: Int32
    """``[U]`` item index of each user's validation target, -1 for none."""
    test: Int32
    """``[U]`` item index of each user's test target, -1 for none."""
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The parts of the items' texts by name, for teachers that read them apart: a value an item, ``""`` for none."""

    def __post_init__(self) -> None:
        for name, dtype in (("offsets", np.int64), ("sequence", np.int32), ("valid", np.int32), ("test", np.int32)):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=dtype))
        n_users, n_items = len(self.users), len(self.items)
        if len(self.text) != n_items:
            raise ValueError(f"domain {self.name!r}: {len(self.text)} texts for {n_items} items")
        for name, values in self.attributes.items():
            if len(values) != n_items:
                raise ValueError(
                    f"domain {self.name!r}: attribute {name!r} has {len(values)} values for {n_items} items"
                )
        if len(self.offsets) != n_users + 1 or len(self.valid) != n_users or len(self.test) != n_users:
            raise ValueError(f"domain {self.name!r}: offsets, valid and test do not fit its {n_users} users")
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.sequence) or bool((np.diff(self.offsets) < 0).any()):
            raise ValueError(f"domain {self.name!r}: offsets do not cover its {len(self.sequence)} interactions")

    @classmethod
    def from_interactions(
        cls,
        name: str,
        users: Sequence[str] | npt.NDArray[Any],
        items: Sequence[str] | npt.NDArray[Any],
        order: Sequence[float] | npt.NDArray[Any] | None = None,
        texts: Mapping[str, str | None] | None = None,
        *,
        attributes: Mapping[str, Mapping[str, str]] | None = None,
        valid: Mapping[str, str] | None = None,
        test: Mapping[str, str] | None = None,
        leave_one_out: bool = False,
    ) -> Domain:
        """Build a domain from interactions in any order.

        Args:
            name: the domain's name, for messages and caches.
            users: ``[N]`` user token of each interaction.
            items: ``[N]`` item token of each interaction.
            order: ``[N]`` what to sort each user's interactions by; equal values keep the order given. ``None`` keeps
                the order given.
            texts: item token -> text. Its keys are the catalogue's first items, in their order; items that only
                interactions name follow.
            attributes: name of a part of the texts -> item token -> its value; items may be left out.
            valid: user token -> item token of the validation target.
            test: user token -> item token of the test target.
            leave_one_out: take each user's last interaction as test and the one before as validation target; a user
                with two interactions has a test target only, a user with one has neither (RecBole's ``LS`` split).

        Raises:
            DataError: if there are no interactions, the columns differ in length, or a target is unknown.
        """
        if len(users) == 0:
            raise DataError(f"domain {name!r} has no interactions; check the file or loosen the filters")
        if len(users) != len(items) or (order is not None and len(order) != len(items)):
            raise DataError(f"domain {name!r}: users, items and order differ in length; give one value an interaction")
        if leave_one_out and (valid is not None or test is not None):
            raise ValueError("give valid and test, or leave_one_out=True, not both")
        user_index, offsets, rows = sort_by_user(users, order)
        catalogue = dict.fromkeys(texts or ())
        catalogue.update(dict.fromkeys(items))
        item_index = {token: i for i, token in enumerate(catalogue)}
        sequence = np.fromiter((item_index[t] for t in items), dtype=np.int32, count=len(items))[rows]
        texts = texts or {}
        domain = cls(
            name=name,
            items=tuple(str(t) for t in catalogue),
            text=tuple(texts.get(t) or None for t in catalogue),
            users=tuple(str(u) for u in user_index),
            offsets=offsets,
            sequence=sequence,
            valid=_targets(name, "valid", valid, user_index, item_index),
            test=_targets(name, "test", test, user_index, item_index),
            attributes=align(attributes or {}, catalogue),
        )
        if not leave_one_out:
            return domain
        offsets, sequence, held = leave_last_out(domain.offsets, domain.sequence, 2)
        return replace(domain, offsets=offsets, sequence=sequence, valid=held[:, 0], test=held[:, 1])

    def hold_last_out(self) -> Domain:
        """Return the domain with each user's last training interaction as validation target, for early stopping.

        For domains that come without validation targets. Users with one interaction keep it.
        """
        offsets, sequence, held = leave_last_out(self.offsets, self.sequence, 1)
        return replace(self, offsets=offsets, sequence=sequence, valid=held[:, 0])

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.items)

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.users)

    @property
    def has_text(self) -> npt.NDArray[np.bool_]:
        """``bool [n_items]``: which items have a text."""
        return np.fromiter((t is not None for t in self.text), dtype=bool, count=len(self.text))

    def described(self) -> list[tuple[tuple[str, str], ...]]:
        """Return each item's attributes that have a value, as (name, value).

        An item with a text and no attributes has one, ``text``; an item without a text has none.
        """
        columns = [[(name, value) for value in values] for name, values in self.attributes.items()]
        parts = zip(*columns, strict=True) if columns else ((),) * self.n_items
        pairs = zip(self.text, (tuple(p for p in part if p[1]) for part in parts), strict=True)
        return [() if text is None else part or (("text", text),) for text, part in pairs]

    @property
    def popularity(self) -> Int64:
        """``int64 [n_items]``: how often each item occurs in the training interactions."""
        return np.bincount(self.sequence, minlength=self.n_items)

    def train_instances(self, max_length: int = 50) -> Instances:
        """Return one row for each training interaction but a user's first; its history is what came before."""
        position = np.arange(len(self.sequence), dtype=np.int64)
        first = np.repeat(self.offsets[:-1], np.diff(self.offsets))
        user = np.repeat(np.arange(self.n_users), np.diff(self.offsets))[position > first]
        position, first = position[position > first], first[position > first]
        start = np.maximum(first, position - max_length)
        return Instances(self.items, self.sequence, start, position, self.sequence[position], self.users, user)

    def valid_instances(self, max_length: int = 50) -> Instances:
        """Return one row for each user with a validation target; its history is the training interactions."""
        return self._held_out(self.sequence, self.offsets, self.valid, max_length)

    def test_instances(self, max_length: int = 50) -> Instances:
        """Return one row for each user with a test target; its history is the training and validation interactions."""
        known = self.valid >= 0
        sequence = np.insert(self.sequence, self.offsets[1:][known], self.valid[known])
        offsets = self.offsets + np.concatenate([[0], np.cumsum(known)])
        return self._held_out(sequence, offsets, self.test, max_length)

    def _held_out(self, sequence: Int32, offsets: Int64, target: Int32, max_length: int) -> Instances:
        known = target >= 0
        start, stop = offsets[:-1][known], offsets[1:][known]
        start = np.maximum(start, stop - max_length)
        return Instances(self.items, sequence, start, stop, target[known], self.users, np.flatnonzero(known))


def align(attributes: Mapping[str, Mapping[str, str]], items: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return attributes given by token as :attr:`Domain.attributes`; those that no item has are left out."""
    items = tuple(items)
    columns = {name: tuple(values.get(token, "") for token in items) for name, values in attributes.items()}
    return {name: values for name, values in columns.items() if any(values)}


def _targets(
    name: str, split: str, targets: Mapping[str, str] | None, users: dict[Any, int], items: dict[Any, int]
) -> Int32:
    index = np.full(len(users), -1, dtype=np.int32)
    for user, item in (targets or {}).items():
        if user not in users or item not in items:
            unknown = f"user {user!r}" if user not in users else f"item {item!r}"
            raise DataError(f"domain {name!r}: {split} names {unknown}, which nothing else names; add or drop it")
        index[users[user]] = items[item]
    return index
