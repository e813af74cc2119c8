"""Data as a run would have them, where there is no student: for teachers that are made ahead."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ckd_plugins.config import CkdConfig
from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.settings import DatasetPath, build_config
from ckd_plugins.training.material import Material, gather, ranked_within

__all__ = ["RunData", "open_data"]

_ALL_PREFIXES = "SASRec"
"""The family whose rows are every prefix of every train sequence: what it asks covers what the others ask."""
_PROTOCOL = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}


@dataclass(frozen=True)
class RunData:
    """A dataset, split, in RecBole's terms and in the teachers'."""

    host: Any
    """RecBole's config."""
    splits: Splits
    material: Material


@contextmanager
def open_data(dataset: DatasetPath, settings: Mapping[str, Any], config: CkdConfig) -> Iterator[RunData]:
    """Read and split a dataset by leaving each user's last two interactions out, unless the settings say otherwise.

    RecBole's files lie in a folder that is gone after the block.

    Args:
        dataset: where it lies.
        settings: RecBole's.
        config: the ``ckd`` section.
    """
    with tempfile.TemporaryDirectory(prefix="ckd-") as scratch, recbole_log(Path(scratch)):
        given = {"eval_args": _PROTOCOL, "metrics": ["Recall", "NDCG"], "valid_metric": "NDCG@10", **settings}
        host = build_config(_ALL_PREFIXES, dataset, given, Path(scratch))
        splits = load_splits(host, config.speed)
        material = gather(splits, host, dataset, config.text.fields)
        yield RunData(host, ranked_within(splits, material, host, config.domains.rank), material)
