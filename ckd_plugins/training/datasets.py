"""What a run learns from: one dataset, or several that are merged for it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ckd_plugins.config import CkdConfig
from ckd_plugins.domains.merging import Fields, merge_cached
from ckd_plugins.host.settings import DatasetPath, find_dataset

__all__ = ["Datasets", "find_datasets", "merged_dataset", "open_dataset"]

Datasets = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A dataset's folder or name, a list of them, or a string with several by commas."""


def find_datasets(given: Datasets, data_path: str | os.PathLike[str] | None = None) -> list[DatasetPath]:
    """Find each of the datasets that are named.

    Raises:
        DataError: one is not there.
    """
    if isinstance(given, str) and "," in given and not Path(given).is_dir():
        names: list[str | os.PathLike[str]] = [name.strip() for name in given.split(",") if name.strip()]
    else:
        names = [given] if isinstance(given, str | os.PathLike) else list(given)
    return [find_dataset(name, data_path) for name in names]


def merged_dataset(parts: Sequence[DatasetPath], settings: Mapping[str, Any], config: CkdConfig) -> DatasetPath:
    """The one dataset of a run: several are merged into the cache.

    Args:
        parts: where they lie.
        settings: RecBole's, for the names of columns.
        config: the ``ckd`` section.

    Raises:
        ConfigError, DataError: they cannot be merged.
    """
    if len(parts) == 1:
        return parts[0]
    defaults = Fields()
    fields = Fields(
        str(settings.get("USER_ID_FIELD", defaults.user)),
        str(settings.get("ITEM_ID_FIELD", defaults.item)),
        str(settings.get("TIME_FIELD", defaults.order)),
    )
    folders = [part.folder for part in parts]
    folder = merge_cached(folders, config.cache_dir.absolute() / "merged", users=config.domains.users, fields=fields)
    return replace(find_dataset(folder), parts=tuple(folders))


def open_dataset(
    given: Datasets, data_path: str | os.PathLike[str] | None, settings: Mapping[str, Any], config: CkdConfig
) -> DatasetPath:
    """Find what is named and merge it where it is several.

    Raises:
        ConfigError, DataError: as :func:`find_datasets` and :func:`merged_dataset`.
    """
    return merged_dataset(find_datasets(given, data_path), settings, config)
