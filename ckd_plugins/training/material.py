"""What teachers are shown of a run: train sequences with item texts, and the rows that they are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ckd_plugins.domains.atomic import ItemTexts, read_texts
from ckd_plugins.domains.domain import Domain, align
from ckd_plugins.domains.instances import Instances
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.domains.naming import DOMAIN_FIELD, item_domains
from ckd_plugins.errors import DataError
from ckd_plugins.host.data import Splits
from ckd_plugins.host.own_domain import check_domains
from ckd_plugins.host.rows import TrainingRows, item_tokens, training_rows, user_tokens, validation_targets
from ckd_plugins.host.settings import DatasetPath

__all__ = ["Material", "gather", "item_texts", "ranked_within"]


@dataclass(frozen=True)
class Material:
    """A run's data in the teachers' terms. Item index ``i`` is RecBole's item id ``i + 1``; padding has no index."""

    domain: Domain
    """Train sequences and validation targets; its test targets are all -1, so no teacher can see one."""
    instances: Instances
    """One row for each row id that a training batch can carry."""
    rows: TrainingRows
    user_row: NDArray[np.int64]
    """``[n_users]`` from RecBole's user id to the domain's user, -1 where the user has no train sequence."""
    domains: tuple[str, ...] = ()
    """Names of the domains that the data were merged from; none where they are of one."""
    item_domain: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """``[n_items]`` by RecBole id: each item's domain as an index of :attr:`domains`, -1 for padding; empty where
    there are none."""

    @property
    def tokens(self) -> list[str | None]:
        """Item tokens by RecBole id; ``None`` for padding."""
        return [None, *self.domain.items]

    @property
    def popularity(self) -> NDArray[np.int64]:
        """``[n_items]`` train interactions by RecBole id; 0 for padding."""
        return np.concatenate([[0], self.domain.popularity])

    @cached_property
    def data_hash(self) -> str:
        """Digest of users, their train sequences and nothing else: not of any numbering or order of users."""
        d = self.domain
        whole = Instances(d.items, d.sequence, d.offsets[:-1], d.offsets[1:], np.zeros(d.n_users, np.int32))
        longest = max(1, int(np.diff(d.offsets).max(initial=1)))
        return _digest(token_hashes(d.users), whole.keys(longest))

    @cached_property
    def split_hash(self) -> str:
        """Digest of what is held out for validation, user by user."""
        d = self.domain
        held = np.where(d.valid >= 0, token_hashes(d.items)[d.valid], 0)
        return _digest(token_hashes(d.users), held.astype(np.uint64))

    @cached_property
    def items_hash(self) -> str:
        """Digest of the catalogue: of items without training interactions too, and of no numbering."""
        return _digest(token_hashes(self.domain.items))

    @cached_property
    def text_hash(self) -> str:
        """Digest of the items' texts and of the parts that they are made of."""
        rows = sorted(zip(self.domain.items, self.domain.text, self.domain.described(), strict=True))
        return blake2b(repr(rows).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def evaluation_instances(self, before: Literal["valid", "test"] = "test") -> Instances:
        """One row a domain user: the history before its test target (train sequence, then the validation target).

        Args:
            before: ``"valid"`` for the history before its validation target: the train sequence.
        """
        d = self.domain
        known = d.valid >= (0 if before == "test" else d.n_items)
        sequence = np.insert(d.sequence, d.offsets[1:][known], d.valid[known])
        offsets = d.offsets + np.concatenate([[0], np.cumsum(known)])
        target = np.zeros(d.n_users, np.int32)
        return Instances(d.items, sequence, offsets[:-1], offsets[1:], target, d.users, np.arange(d.n_users))


def _digest(*columns: NDArray[np.uint64]) -> str:
    table = np.stack(columns, axis=1)
    table = table[np.lexsort(table.T[::-1])]
    return blake2b(np.ascontiguousarray(table).tobytes(), digest_size=12).hexdigest()


def item_texts(dataset: DatasetPath, item_field: str, fields: Sequence[str] | None) -> ItemTexts:
    """Texts of a dataset's items by token, from those of the wanted columns that its ``.item`` file has.

    Raises:
        DataError: the file is malformed.
    """
    columns = dataset.columns("item")
    present = None if fields is None else [f for f in fields if f in columns]
    if not columns or present == []:
        return ItemTexts({}, {})
    return read_texts(dataset.folder / f"{dataset.name}.item", item_field, present)


def gather(splits: Splits, config: Any, dataset: DatasetPath, fields: Sequence[str] | None) -> Material:
    """Put a loaded RecBole run into the teachers' terms.

    Args:
        splits: the run's data.
        config: its RecBole config.
        dataset: where its files lie, for the texts.
        fields: item columns that make up a text; ``None`` for the usual ones.
    """
    rows = training_rows(splits, config)
    items = item_tokens(splits, config)[1:]
    users = user_tokens(splits, config)
    texts = item_texts(dataset, config["ITEM_ID_FIELD"], fields)
    if len(items) == 0:
        raise DataError(f"dataset {dataset.name!r} has no items")
    n = int(rows.offsets[-1])
    valid = validation_targets(splits, config, rows)
    domain = Domain(
        name=dataset.name,
        items=items,
        text=tuple(texts.joined.get(token) for token in items),
        users=tuple(users[u] for u in rows.users),
        offsets=rows.offsets,
        sequence=rows.flat[:n] - 1,
        valid=np.where(valid > 0, valid - 1, -1),
        test=np.full(len(rows.users), -1),
        attributes=align(texts.attributes, items),
    )
    target = np.maximum(rows.target - 1, 0)  # by-user rows of users without a sequence have none, and no history
    user_row = np.full(len(users), -1, np.int64)
    user_row[rows.users] = np.arange(len(rows.users))
    instances = Instances(items, rows.flat - 1, rows.start, rows.stop, target, domain.users, user_row[rows.user])
    return Material(domain, instances, rows, user_row, *_domains(dataset, items))


def ranked_within(splits: Splits, material: Material, config: Any, rank: Literal["own", "all"]) -> Splits:
    """Let a merged dataset's held-out items be ranked among the items of their own domain.

    Raises:
        DataError: a domain has fewer items than the metrics look at.
    """
    if rank == "all" or not material.domains or config["eval_type"].name != "RANKING":
        return splits
    check_domains(config, material.item_domain, material.domains)
    return replace(splits, item_domain=material.item_domain)


def _domains(dataset: DatasetPath, items: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """What a merged dataset was merged from; a column of the same name does not make a merged one."""
    names, index = item_domains([None, *items])
    if DOMAIN_FIELD not in dataset.columns("inter") or len(names) < 2 or bool((index[1:] < 0).any()):
        return (), np.zeros(0, np.int64)
    return names, index
