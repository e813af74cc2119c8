"""RecBole's dataset and loaders, checked, with a row id on every training interaction."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd_plugins.config import Speed
from ckd_plugins.errors import DataError
from ckd_plugins.host.compat import clean_environment

__all__ = ["ROW_FIELD", "Splits", "is_windowed", "load_splits"]

ROW_FIELD = "ckd_row"
"""Column of a training batch that holds each row's number in the training split."""
_TIME = "ckd_time"
_ALL = Speed()


@dataclass(frozen=True)
class Splits:
    """A filtered dataset and its three RecBole loaders."""

    dataset: Any
    train: Any
    valid: Any
    test: Any
    times: NDArray[np.float64] | None = None
    """``[R]`` time of each train row, where RecBole was told to load the time and not to use it."""
    item_domain: NDArray[np.int64] | None = None
    """``[n_items]`` each item's domain from 0, -1 for padding, where held-out items are ranked among their domain's."""

    @property
    def train_dataset(self) -> Any:
        """The training split's RecBole ``Dataset``; its ``inter_feat`` has :data:`ROW_FIELD`, if no tree reads it."""
        return self.train._dataset


def load_splits(config: Any, speed: Speed = _ALL) -> Splits:
    """Load, filter and split the dataset of a config, in the order and with the seeds of ``run_recbole``.

    The row id is one more column of the training split's interactions. RecBole hands it through sampling and
    batching untouched; models do not see it, as they ask for fields by name.

    Args:
        config: RecBole's config.
        speed: ``dataset`` lets RecBole load and split by arrays (:mod:`ckd_plugins.host.speed.loading`), ``arrays``
            lets the train loader work by them (:mod:`ckd_plugins.host.arrays`); the batches are the same.

    Raises:
        DataError: a column is missing, or filtering left nothing to train on or to evaluate.
    """
    import torch
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import init_seed

    init_seed(config["seed"], config["reproducibility"])
    where = f"dataset {config['dataset']!r} ({config['data_path']})"
    with clean_environment(), ExitStack() as stack:
        if speed.dataset:
            from ckd_plugins.host.speed.loading import quick_loading

            stack.enter_context(quick_loading(config))
        try:
            dataset = create_dataset(config)
        except Exception as error:
            raise DataError(f"{where}: {_reason(error)}; {_filters(config)}") from error
        if len(dataset) == 0:
            raise DataError(f"{where}: no interactions left after filtering; {_filters(config)}")
        if config["eval_type"].name == "RANKING" and max(config["topk"]) >= dataset.item_num:
            raise DataError(
                f"{where}: topk asks for {max(config['topk'])} of {dataset.item_num - 1} items; set topk lower"
            )
        keeps_time = _keep_time(dataset, config)
        try:
            train, valid, test = data_preparation(config, dataset)
        except Exception as error:
            raise DataError(f"{where}: cannot be split: {_reason(error)}; {_filters(config)}") from error
    for name, loader in (("train", train), ("valid", valid), ("test", test)):
        if len(loader._dataset) == 0:
            raise DataError(f"{where}: the {name} split is empty; {_filters(config)}")
    features = train._dataset.inter_feat
    times = features[_TIME].numpy().astype(np.float64) if keeps_time else None
    for built in (dataset, train._dataset, valid._dataset, test._dataset) if keeps_time else ():
        _forget(built)
    if config["MODEL_TYPE"].name != "DECISIONTREE":  # a tree takes every column for a feature
        features.interaction[ROW_FIELD] = torch.from_numpy(_row_ids(train._dataset, config))
    if speed.dataset:
        from ckd_plugins.host.speed.fetching import fetch_whole_batches

        for loader in (train, valid, test):
            fetch_whole_batches(loader)
    if speed.arrays:
        from ckd_plugins.host.arrays import accelerate

        accelerate(train)
    return Splits(dataset, train, valid, test, times)


def is_windowed(dataset: Any) -> bool:
    """Whether each train row is a window with a target at every position (:mod:`ckd_plugins.host.windows`)."""
    return bool(getattr(dataset, "ckd_windowed", False))


def _row_ids(dataset: Any, config: Any) -> NDArray[np.int64]:
    """``[R]`` each row's number, or that of its first position where a row has a target at each of its positions."""
    features = dataset.inter_feat
    if not is_windowed(dataset):
        return np.arange(len(features))
    lengths = features[config["ITEM_LIST_LENGTH_FIELD"]].numpy().astype(np.int64)
    first: NDArray[np.int64] = np.cumsum(lengths) - lengths
    return first


def _keep_time(dataset: Any, config: Any) -> bool:
    """Carry the time through the split under a name of our own, where RecBole drops it for the model's sake."""
    field = config["TIME_FIELD"]
    unused = (config["unused_col"] or {}).get("inter") or ()
    if field not in unused or field not in dataset.inter_feat:
        return False
    from recbole.utils import FeatureSource, FeatureType

    dataset.set_field_property(_TIME, FeatureType.FLOAT, FeatureSource.INTERACTION, 1)
    dataset.inter_feat[_TIME] = dataset.inter_feat[field]
    return True


def _forget(dataset: Any) -> None:
    """Take our column out again, before a model asks for the dataset's fields."""
    for properties in (dataset.field2type, dataset.field2source, dataset.field2seqlen):
        properties.pop(_TIME, None)
    dataset.inter_feat.interaction.pop(_TIME, None)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()).partition(" [The batch_size of interaction")[0]
    return text or type(error).__name__


def _filters(config: Any) -> str:
    names = ("user_inter_num_interval", "item_inter_num_interval", "val_interval")
    active = [f"{name}={config[name]}" for name in names if config[name] not in (None, "[0,inf)")]
    return f"filters: {', '.join(active)}" if active else f"split: {config['eval_args']['split']}"
