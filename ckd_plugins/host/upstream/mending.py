"""Which class is mended how. A class is mended when it is first asked for, on itself, and once."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from ckd_plugins.errors import EnvironmentProblem
from ckd_plugins.host.upstream import graph, scatter

__all__ = ["MENDED", "mend", "visible_as"]


_lock = threading.RLock()


@contextlib.contextmanager
def visible_as(name: str, module: ModuleType) -> Iterator[None]:
    """Let ``import name`` find a module for a while.

    Not for longer: torch-geometric, for one, looks for ``torch_scatter`` when it is imported and would take a stand-in
    for the whole library.
    """
    with _lock:  # two threads would put each other's stand-in back
        before = sys.modules.get(name)
        sys.modules[name] = module
        try:
            yield
        finally:
            if before is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = before


def _within(function: Callable[..., Any], name: str, module: ModuleType) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with visible_as(name, module):
            return function(*args, **kwargs)

    return call


def _scatter(cls: type) -> None:
    """KGIN, MCCLK: ``from torch_scatter import ...`` inside ``Aggregator.forward``."""
    if importlib.util.find_spec("torch_scatter") is not None:
        return
    aggregator = importlib.import_module(cls.__module__).Aggregator
    aggregator.forward = _within(aggregator.forward, "torch_scatter", scatter.module())


def _graph(cls: Any) -> None:
    """KGAT: ``import dgl`` while the model is made. Present dgl versions do not do, so ours is taken always."""
    cls.__init__ = _within(cls.__init__, "dgl", graph.module())


def _kmeans(cls: Any) -> None:
    """NCL: k-means on GPUs only, and with 1,000 clusters however few users or items there are.

    https://github.com/RUCAIBox/RecBole/issues/1957
    """

    def run_kmeans(self: Any, x: Any) -> tuple[Any, Any]:
        import torch
        from torch.nn import functional as F

        try:
            import faiss
        except ImportError as error:
            raise EnvironmentProblem("model NCL clusters with faiss; pip install 'ckd-plugins[faiss]'") from error
        on_gpu = str(self.device).startswith("cuda") and hasattr(faiss, "StandardGpuResources")
        # faiss warns on stderr below 39 points a cluster: the ratio is RecBole's choice, and nobody asked for it.
        kmeans = faiss.Kmeans(d=self.latent_dim, k=min(self.k, len(x)), gpu=on_gpu, min_points_per_centroid=1)
        kmeans.train(x)
        _, nearest = kmeans.index.search(x, 1)
        centroids = F.normalize(torch.from_numpy(kmeans.centroids).to(self.device), p=2, dim=1)
        return centroids, torch.from_numpy(nearest).long().reshape(-1).to(self.device)

    cls.run_kmeans = run_kmeans


def _copy_predict(cls: Any) -> None:
    """SASRecCPR, GRU4RecCPR: ``predict`` ends in ``assert False``, so that no run with sampled evaluation works.

    The models came with https://github.com/RUCAIBox/RecBole/pull/1912.
    """

    def predict(self: Any, interaction: Any) -> Any:
        scores = self.full_sort_predict(interaction)
        return scores.gather(1, interaction[self.ITEM_ID].unsqueeze(1)).squeeze(1)

    cls.predict = predict


def _quiet_start(cls: Any) -> None:
    """RaCT: ``logger.info("...", path)`` without a place for the path prints a traceback of the logging module."""
    stock = cls.__init__

    @functools.wraps(stock)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        raising, logging.raiseExceptions = logging.raiseExceptions, False
        try:
            stock(self, *args, **kwargs)
        finally:
            logging.raiseExceptions = raising

    cls.__init__ = init


def _single_precision(cls: Any) -> None:
    """KSR: vectors of relations stay in numpy's double precision, and its products with parameters fail."""
    stock = cls.__init__

    @functools.wraps(stock)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        stock(self, *args, **kwargs)
        self.relation_Matrix = self.relation_Matrix.float()

    cls.__init__ = init


MENDED: dict[str, tuple[Callable[[type], None], str]] = {
    "GRU4RecCPR": (_copy_predict, "predict works"),
    "KGAT": (_graph, "without dgl"),
    "KGIN": (_scatter, "without torch_scatter"),
    "KSR": (_single_precision, "vectors of relations in single precision"),
    "MCCLK": (_scatter, "without torch_scatter"),
    "NCL": (_kmeans, "clusters on the CPU too, never more than there are rows"),
    "RaCT": (_quiet_start, "loads its pre-trained weights without a logging error"),
    "SASRecCPR": (_copy_predict, "predict works"),
}
"""RecBole's models that are mended: how, and what is better then."""

_done: set[type] = set()


def mend(cls: type) -> type:
    """Work round a RecBole model class's upstream defect, if it has a known one; does nothing the second time."""
    if cls.__name__ in MENDED and cls.__module__.startswith("recbole.") and cls not in _done:
        MENDED[cls.__name__][0](cls)
        _done.add(cls)
    return cls
