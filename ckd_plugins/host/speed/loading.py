"""Everything that makes loading and splitting faster, in force while a dataset is loaded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ckd_plugins.host.compat import prepare
from ckd_plugins.host.speed.csv import quick_csv
from ckd_plugins.host.speed.evaluation import make_full_sort_loader
from ckd_plugins.host.speed.filtering import filter_by_inter_num, filter_inter_by_user_or_item
from ckd_plugins.host.speed.histories import data_augmentation
from ckd_plugins.host.speed.splitting import leave_one_out, split_by_ratio, time_based_split
from ckd_plugins.host.speed.swap import swapped
from ckd_plugins.host.speed.used import no_used_ids, used_ids

prepare()
from recbole.data.dataloader import FullSortEvalDataLoader  # noqa: E402
from recbole.data.dataset import Dataset, SequentialDataset  # noqa: E402
from recbole.sampler import RepeatableSampler, Sampler  # noqa: E402

__all__ = ["quick_loading"]

_REPLACED: list[tuple[Any, str, Any]] = [
    (Dataset, "_filter_by_inter_num", filter_by_inter_num),
    (Dataset, "_filter_inter_by_user_or_item", filter_inter_by_user_or_item),
    (Dataset, "leave_one_out", leave_one_out),
    (Dataset, "split_by_ratio", split_by_ratio),
    (Dataset, "time_based_split", time_based_split),
    (RepeatableSampler, "get_used_ids", no_used_ids),
]
_REPLACED_UNLESS_SAVED: list[tuple[Any, str, Any]] = [
    (SequentialDataset, "data_augmentation", data_augmentation),
    (Sampler, "get_used_ids", used_ids),
    (FullSortEvalDataLoader, "__init__", make_full_sort_loader),
]
"""What leaves objects of ours in the loaders, which RecBole, if it is to read saved ones, does not know."""


@contextlib.contextmanager
def quick_loading(config: Any) -> Iterator[None]:
    """Let RecBole load, split and sample by whole arrays; its datasets and loaders yield what they do without.

    Methods are exchanged on RecBole's classes, as it makes the datasets itself; those that override them (DIEN's) keep
    their own. On exit the classes are as they were.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(quick_csv())
        for owner, name, replacement in _REPLACED + ([] if config["save_dataloaders"] else _REPLACED_UNLESS_SAVED):
            stack.enter_context(swapped(owner, name, replacement))
        yield
