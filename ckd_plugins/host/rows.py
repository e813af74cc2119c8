"""Which (history, target) each training row of any student family stands for, in RecBole's numbers.

Sequential students carry a history in every row. The rows of the other families are single interactions; their
history is the same user's earlier train interactions by time, or, where the data have no time, the user's others.
Histories are slices of one flat array, so that a million prefixes cost no more than the sequences that they share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ckd_plugins.host.data import Splits, is_windowed

__all__ = ["TrainingRows", "held_out_pairs", "item_tokens", "training_rows", "user_tokens", "validation_targets"]

_OTHERS = 50
"""Without a time field a history is the user's other items, at most so many."""


@dataclass(frozen=True)
class TrainingRows:
    """Histories and targets of all training rows, and the users' train sequences they come from.

    Attributes:
        flat: ``[N]`` item ids; first the train sequences of all users, then histories that are no slice of them.
        start: ``[R]`` where a row's history begins in ``flat``.
        stop: ``[R]`` where it ends; a row with ``start == stop`` has none.
        target: ``[R]`` item id of the row.
        user: ``[R]`` user id of the row.
        users: ``[U]`` user ids with a train sequence.
        offsets: ``[U + 1]`` their sequences in ``flat``.
        by_user: a batch names its users, not its rows (autoencoders): row ``r`` is user id ``r``.
        parent: ``[R]`` the loader's row that each row is a position of, where a loader's row has a target at every
            position (:class:`~ckd_plugins.host.windows.WindowDataset`); else ``None``: they are the same.
    """

    flat: NDArray[np.int32]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    target: NDArray[np.int32]
    user: NDArray[np.int64]
    users: NDArray[np.int64]
    offsets: NDArray[np.int64]
    by_user: bool = False
    parent: NDArray[np.int64] | None = None


def training_rows(splits: Splits, config: Any) -> TrainingRows:
    """Derive the rows of a training split.

    Rows of sequential students keep their own history where it is no slice of their user's train sequence (a random
    split, or files that were split beforehand).
    """
    features = splits.train_dataset.inter_feat
    user = features[config["USER_ID_FIELD"]].numpy().astype(np.int64)
    item = features[config["ITEM_ID_FIELD"]].numpy().astype(np.int32)
    time_field = config["TIME_FIELD"]
    time = features[time_field].numpy() if time_field in features else splits.times
    list_field = config["ITEM_ID_FIELD"] + config["LIST_SUFFIX"]
    if list_field in features and config["ITEM_LIST_LENGTH_FIELD"] in features:
        lengths = features[config["ITEM_LIST_LENGTH_FIELD"]].numpy()
        if is_windowed(splits.train_dataset):
            return _windows(user, item, features[list_field].numpy().astype(np.int32), lengths)
        return _sequential(user, item, time, _Lists(features, list_field), lengths)
    ordered = time is not None or config["eval_args"]["order"] == "TO"
    rows = _interactions(user, item, time) if ordered else _unordered(user, item)
    return _per_user(rows, splits.dataset.user_num) if _is_autoencoder(splits) else rows


class _Lists:
    """``[R, width]`` histories of a sequential model's rows, of which a few at a time are taken."""

    def __init__(self, features: Any, field: str) -> None:
        columns = features.interaction
        # histories that are kept as slices must not all be put together here, to be taken apart again
        self._taken = getattr(columns, "history", lambda name, rows: columns[name].index_select(0, rows))
        self._field = field
        self.width = self[np.arange(1)].shape[1]

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        taken: NDArray[np.int32] = self._taken(self._field, torch.from_numpy(rows)).numpy().astype(np.int32)
        return taken

    def joined(self, rows: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int32]:
        """Histories of some rows, so much of each as it is long, one behind the other."""
        within = np.arange(self.width)
        parts = [self[rows[c]][within < lengths[c, None]] for c in _chunks(np.arange(len(rows)))]
        return np.concatenate(parts)


def _chunks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Few enough rows at a time that a table of their histories is small."""
    return np.array_split(rows, len(rows) // 65536 + 1)


def _spans(first: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers ``first[i] ... first[i] + lengths[i] - 1`` for each i."""
    shift: NDArray[np.int64] = np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
    return shift + np.arange(len(shift))


def _order(user: NDArray[np.int64], time: NDArray[Any] | None, *more: NDArray[Any]) -> NDArray[np.int64]:
    """Rows by user, then time, then ``more``; equal rows stay in their order."""
    keys = [*reversed(more), *([] if time is None else [time]), user]
    return np.lexsort(keys)


def _blocks(sorted_user: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    users, first = np.unique(sorted_user, return_index=True)
    return users, np.append(first, len(sorted_user)).astype(np.int64)


def _interactions(user: NDArray[np.int64], item: NDArray[np.int32], time: NDArray[Any] | None) -> TrainingRows:
    order = _order(user, time)
    users, offsets = _blocks(user[order])
    start, stop = np.empty(len(user), np.int64), np.empty(len(user), np.int64)
    start[order] = np.repeat(offsets[:-1], np.diff(offsets))
    stop[order] = np.arange(len(user))
    return TrainingRows(item[order], start, stop, item, user, users, offsets)


def _unordered(user: NDArray[np.int64], item: NDArray[np.int32]) -> TrainingRows:
    base = _interactions(user, item, None)
    position = base.stop
    extra: list[NDArray[np.int32]] = []
    start, stop = np.empty_like(base.start), np.empty_like(base.stop)
    cursor = len(base.flat)
    first, last = base.start, base.offsets[np.searchsorted(base.users, user) + 1]
    for row in range(len(user)):
        block = base.flat[first[row] : last[row]]
        others = np.delete(block, position[row] - first[row])[-_OTHERS:]
        extra.append(others)
        start[row], stop[row] = cursor, cursor + len(others)
        cursor += len(others)
    flat = np.concatenate([base.flat, *extra])
    return TrainingRows(flat, start, stop, base.target, user, base.users, base.offsets)


def _sequential(
    user: NDArray[np.int64],
    item: NDArray[np.int32],
    time: NDArray[Any] | None,
    lists: _Lists,
    lengths: NDArray[np.int64],
) -> TrainingRows:
    order = _order(user, time, lengths)
    users, offsets = _blocks(user[order])
    heads = order[offsets[:-1]]
    head_length = lengths[heads].astype(np.int64)
    shift = np.concatenate([[0], np.cumsum(head_length)]).astype(np.int64)
    flat = np.empty(len(item) + int(shift[-1]), np.int32)
    block = np.repeat(np.arange(len(users)), np.diff(offsets))
    position = np.arange(len(item)) + shift[block + 1]  # of each ordered row's target in flat
    flat[position] = item[order]
    new_offsets = offsets + shift
    # what a user's first row has seen before its target
    flat[_spans(new_offsets[:-1], head_length)] = lists.joined(heads, head_length)
    start, stop = np.empty(len(item), np.int64), np.empty(len(item), np.int64)
    start[order], stop[order] = new_offsets[block], position
    foreign = np.flatnonzero(~_same_history(flat, start, stop, lists, lengths))
    if len(foreign):
        ends = len(flat) + np.cumsum(lengths[foreign])
        start[foreign], stop[foreign] = ends - lengths[foreign], ends
        flat = np.concatenate([flat, lists.joined(foreign, lengths[foreign])])
    return TrainingRows(flat, start, stop, item, user, users, new_offsets)


def _windows(
    user: NDArray[np.int64], item: NDArray[np.int32], lists: NDArray[np.int32], lengths: NDArray[np.int64]
) -> TrainingRows:
    """Every position of every window as a row; what a teacher sees before it is the user's whole past."""
    users, first = _blocks(user)  # windows stand by user and time
    sizes = np.add.reduceat(lengths, first[:-1])
    offsets = np.concatenate([[0], np.cumsum(sizes + 1)]).astype(np.int64)
    block = np.repeat(np.arange(len(users)), np.diff(first))
    inside = np.arange(lists.shape[1]) < lengths[:, None]
    parent, _ = np.nonzero(inside)
    position = np.arange(len(parent)) + block[parent]  # in flat: each user's sequence is one longer than its windows
    flat = np.empty(int(offsets[-1]), np.int32)
    flat[position] = lists[inside]
    flat[offsets[1:] - 1] = item[first[1:] - 1]
    start, target = offsets[block[parent]], flat[position + 1]
    return TrainingRows(flat, start, position + 1, target, user[parent], users, offsets, parent=parent.astype(np.int64))


def _same_history(
    flat: NDArray[np.int32],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    lists: _Lists,
    lengths: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Whether the last ``lengths`` items of each slice are the row's own list, and nothing was cut before the cap."""
    cap = lists.width
    same: NDArray[np.bool_] = (stop - start == lengths) | ((lengths == cap) & (stop - start > cap))
    columns = np.arange(cap)
    for chunk in _chunks(np.arange(len(stop))):
        n = lengths[chunk, None]
        index = np.clip(stop[chunk, None] - n + columns, 0, len(flat) - 1)
        same[chunk] &= ((flat[index] == lists[chunk]) | (columns >= n)).all(axis=1)
    return same


def _is_autoencoder(splits: Splits) -> bool:
    return type(splits.train).__name__ == "UserDataLoader"


def _per_user(rows: TrainingRows, user_num: int) -> TrainingRows:
    """A batch of users: each stands for its last train interaction after all the others."""
    start, stop = np.zeros(user_num, np.int64), np.zeros(user_num, np.int64)
    target = np.zeros(user_num, np.int32)
    first, last = rows.offsets[:-1], rows.offsets[1:] - 1
    start[rows.users], stop[rows.users], target[rows.users] = first, last, rows.flat[last]
    return TrainingRows(rows.flat, start, stop, target, np.arange(user_num), rows.users, rows.offsets, by_user=True)


def validation_targets(splits: Splits, config: Any, rows: TrainingRows) -> NDArray[np.int32]:
    """``[U]`` each train user's first validation item, or -1; never looks at the test split."""
    features = splits.valid._dataset.inter_feat
    user = features[config["USER_ID_FIELD"]].numpy()
    item = features[config["ITEM_ID_FIELD"]].numpy()
    first_user, first = np.unique(user, return_index=True)
    found = np.full(len(rows.users), -1, np.int32)
    at = np.searchsorted(rows.users, first_user)
    inside = at < len(rows.users)
    inside[inside] = rows.users[at[inside]] == first_user[inside]
    found[at[inside]] = item[first[inside]]
    return found


def item_tokens(splits: Splits, config: Any) -> tuple[str, ...]:
    """Tokens of all items by RecBole id; index 0 is the padding token."""
    return tuple(str(t) for t in splits.dataset.field2id_token[config["ITEM_ID_FIELD"]])


def user_tokens(splits: Splits, config: Any) -> tuple[str, ...]:
    """Tokens of all users by RecBole id; index 0 is the padding token."""
    return tuple(str(t) for t in splits.dataset.field2id_token[config["USER_ID_FIELD"]])


def held_out_pairs(splits: Splits, config: Any) -> set[tuple[str, str]]:
    """(user token, item token) of every validation and test interaction."""
    users, items = user_tokens(splits, config), item_tokens(splits, config)
    pairs: set[tuple[str, str]] = set()
    for loader in (splits.valid, splits.test):
        features = loader._dataset.inter_feat
        columns = (features[config[name]].tolist() for name in ("USER_ID_FIELD", "ITEM_ID_FIELD"))
        pairs.update((users[u], items[i]) for u, i in zip(*columns, strict=True))
    return pairs
