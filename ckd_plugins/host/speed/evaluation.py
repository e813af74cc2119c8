"""RecBole's loader for ranking the whole catalogue, without two tensors a user made before the first batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ckd_plugins.host.compat import prepare
from ckd_plugins.host.speed.used import ByUser, UsedItems

prepare()
from recbole.data.dataloader import FullSortEvalDataLoader  # noqa: E402
from recbole.data.dataloader.abstract_dataloader import AbstractDataLoader  # noqa: E402
from recbole.data.interaction import Interaction  # noqa: E402
from recbole.utils import ModelType  # noqa: E402

__all__ = ["make_full_sort_loader"]

_stock = FullSortEvalDataLoader.__init__


class _Lists:
    """What RecBole keeps as an array of tensors by user: the items to be found, or those that are known already."""

    def __init__(self, used: UsedItems, own: ByUser, *, known: bool) -> None:
        self._used, self._own, self._known = used, own, known

    def __getitem__(self, users: Any) -> Any:
        if isinstance(users, int | np.integer) or (isinstance(users, Tensor) and users.dim() == 0):
            return torch.tensor(self.items(int(users)), dtype=torch.int64)
        found = np.empty(len(users), dtype=object)
        for place, user in enumerate(users):
            found[place] = self[int(user)]
        return found

    def items(self, user: int) -> list[int]:
        """The items in RecBole's order, which is that of a set."""
        own: set[int] = set()
        own.update(self._own[user])
        return list(self._used[user] - own if self._known else own)


def make_full_sort_loader(self: Any, config: Any, dataset: Any, sampler: Any, shuffle: bool = False) -> None:
    """``FullSortEvalDataLoader.__init__``; models of sequences, and samplers of other kinds, get RecBole's."""
    used = getattr(sampler, "used_ids", None)
    if config["MODEL_TYPE"] == ModelType.SEQUENTIAL or not isinstance(used, UsedItems):
        _stock(self, config, dataset, sampler, shuffle)
        return
    from logging import getLogger

    self.logger, self.is_sequential = getLogger(), False
    self.uid_field, self.iid_field = dataset.uid_field, dataset.iid_field
    dataset.sort(by=self.uid_field, ascending=True)
    user, item = (dataset.inter_feat[field].numpy() for field in (self.uid_field, self.iid_field))
    own = ByUser(user, item, dataset.user_num)
    self.uid2positive_item, self.uid2history_item = (_Lists(used, own, known=known) for known in (False, True))
    self.uid2items_num = own.counts.copy()
    if own.counts.max(initial=0) > 1:
        distinct = np.unique(own.keys(dataset.item_num)) // dataset.item_num
        self.uid2items_num = np.bincount(distinct, minlength=dataset.user_num)
    self.uid_list = torch.from_numpy(np.flatnonzero(own.counts))
    self.user_df = dataset.join(Interaction({self.uid_field: self.uid_list}))
    self.sample_size = len(self.user_df)
    if shuffle:
        self.logger.warning("FullSortEvalDataLoader can't shuffle")
    AbstractDataLoader.__init__(self, config, dataset, sampler, shuffle=False)
    self.collate_fn = _Batches(self)


class _Batches:
    """``FullSortEvalDataLoader.collate_fn`` with one tensor a batch where RecBole makes two a user."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __call__(self, index: list[int]) -> tuple[Any, tuple[Tensor, Tensor], Tensor, Tensor]:
        loader = self._loader
        rows = loader.user_df[index]
        users = rows[loader.uid_field].tolist()
        known = _flat([loader.uid2history_item.items(user) for user in users])
        return (rows, known, *_flat([loader.uid2positive_item.items(user) for user in users]))


def _flat(lists: list[list[int]]) -> tuple[Tensor, Tensor]:
    """``[n]`` which list each item is of, and ``[n]`` the items."""
    rows = torch.repeat_interleave(torch.tensor([len(items) for items in lists]))
    return rows, torch.tensor([item for items in lists for item in items], dtype=torch.int64)
