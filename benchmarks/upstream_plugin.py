"""A pytest plugin that puts this package's host where RecBole's own tests import RecBole; see ``upstream.py``.

What the tests call keeps its name and its arguments. Behind it the data is split by ``host.data``, the model made by
``host.models``, the trainer by ``host.trainer``. A speed-up that those do not apply by themselves belongs in
:meth:`Host.create_dataset` or in :meth:`Host.quicken`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ckd_plugins.config import Speed
from ckd_plugins.host.checkpoint import read_checkpoint
from ckd_plugins.host.compat import anomaly_mode_kept, prepare
from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.loaders import trim_batches
from ckd_plugins.host.models import build_model
from ckd_plugins.host.speed.loading import quick_loading
from ckd_plugins.host.speed.model import speed_up
from ckd_plugins.host.trainer import build_trainer
from ckd_plugins.host.upstream.mending import visible_as


class Host:
    """The functions of RecBole's that its tests and its ``quick_start`` call, made of our host's."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self._stock = {"create_dataset": data.create_dataset, "data_preparation": data.data_preparation}
        self._splits: Splits | None = None
        self.used: set[str] = set()
        """What of ours has been at work since somebody last emptied this."""

    def create_dataset(self, config: Any) -> Any:
        """``recbole.data.create_dataset``, by whole arrays."""
        self.used.add("dataset")
        with quick_loading(config), _replaced(self._data, **self._stock):
            return self._data.create_dataset(config)

    def data_preparation(self, config: Any, dataset: Any) -> tuple[Any, Any, Any]:
        """``recbole.data.data_preparation``; our host asks for the dataset itself, and is given what is there."""
        given = {**self._stock, "create_dataset": lambda config: dataset}
        with _replaced(self._data, **given):
            self._splits = load_splits(config)
        self.used.add("data")
        return self._splits.train, self._splits.valid, self._splits.test

    def get_model(self, name: str) -> Callable[[Any, Any], Any]:
        """``recbole.utils.get_model``; its callers only make an instance of what they get."""

        def build(config: Any, dataset: Any) -> Any:
            assert self._splits is not None, "a model is made of split data"
            assert self._splits.train_dataset is dataset, "a model is made of the data that was split last"
            # S3Rec and RaCT read the weights of their first stage, beside which RecBole pickles its config.
            torch = importlib.import_module("torch")
            with _replaced(torch, load=_weights_of):
                return build_model(config, self._splits)

        return build

    def get_trainer(self, model_type: Any, name: str) -> Callable[[Any, Any], Any]:
        """``recbole.utils.get_trainer``; its callers only make an instance of what they get."""

        def build(config: Any, model: Any) -> Any:
            trainer = build_trainer(config, model, Path(config["checkpoint_dir"]), [])
            stock = trainer.fit

            def fit(train_data: Any, *args: Any, **kwargs: Any) -> Any:
                self.quicken(config, model, train_data)
                return stock(train_data, *args, **kwargs)

            trainer.fit = fit
            self.used.add("trainer")
            return trainer

        return build

    def quicken(self, config: Any, model: Any, train_data: Any) -> None:
        """Apply to a model and its train loader what makes training faster."""
        self.used.update(speed_up(model, train_data, config, Speed()))
        if trim_batches(train_data, model, config):
            self.used.add("trim")


_host: list[Host] = []
_splitting = contextlib.ExitStack()
"""Tests that call ``dataset.build()`` themselves split by whole arrays as well; never left."""


def pytest_configure() -> None:
    """Before the first test is imported, and with it names from RecBole."""
    prepare()
    with anomaly_mode_kept(), visible_as("ray", _no_ray()):
        quick_start = importlib.import_module("recbole.quick_start.quick_start")
    data = importlib.import_module("recbole.data")
    host = Host(data)
    for module in (data, quick_start):
        vars(module).update(create_dataset=host.create_dataset, data_preparation=host.data_preparation)
    vars(quick_start).update(get_model=host.get_model, get_trainer=host.get_trainer)
    # What leaves objects of ours in loaders is for create_dataset, which knows the config.
    _splitting.enter_context(quick_loading({"save_dataloaders": True}))
    _host[:] = [host]


@pytest.fixture(autouse=True)
def _what_was_used(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Write into the report what of ours a test has used: a test that used nothing says nothing."""
    _host[0].used.clear()
    yield
    record_property("ckd", " ".join(sorted(_host[0].used)))


def _no_ray() -> Any:
    """As much of ray as ``quick_start`` uses: its tuner's report, which nobody reads in these tests."""
    ray: Any = ModuleType("ray")
    ray.tune = ModuleType("ray.tune")
    ray.tune.report = lambda **metrics: None
    return ray


def _weights_of(file: Any, **_: Any) -> dict[str, Any]:
    """What ``torch.load`` would give of a checkpoint, settings as a mapping."""
    read = read_checkpoint(file)
    return {"state_dict": read.tensors, **read.values}


@contextlib.contextmanager
def _replaced(module: ModuleType, **values: Any) -> Iterator[None]:
    before = {name: getattr(module, name) for name in values}
    vars(module).update(values)
    try:
        yield
    finally:
        vars(module).update(before)
