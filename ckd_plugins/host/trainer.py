"""RecBole's own trainers, told where to write and watched at each epoch.

The trainer is the class that RecBole chooses for the model (KGAT, RecVAE, S3Rec ... have their own); a mixin stands
before it. The best weights are kept in memory, so that nothing is unpickled to evaluate them, and are on disk as a
stock RecBole checkpoint as well.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ckd_plugins.errors import ConfigError
from ckd_plugins.host.checkpoint import read_checkpoint
from ckd_plugins.host.compat import anomaly_mode_kept, clean_environment
from ckd_plugins.host.models import REFUSALS, reason
from ckd_plugins.host.own_domain import keep_own_domain
from ckd_plugins.host.ranking import full_sort_is_own, pairs_within_memory, rank_by_pairs, rows_within_memory
from ckd_plugins.host.ranks import RankRecorder, Ranks
from ckd_plugins.host.speed.ranking import quick_ranking

__all__ = ["EpochWatcher", "build_trainer", "close_trainer", "scalar_writer"]


class EpochWatcher(Protocol):
    """Sees the epochs of a fit, in order."""

    def before_epoch(self, epoch: int, train_data: Any) -> None:
        """Called before an epoch's first batch is drawn."""

    def after_epoch(self, epoch: int, seconds: float, loss: float) -> None:
        """Called after an epoch's last step; ``loss`` is the sum over its batches, as RecBole reports it."""

    def after_validation(self, epoch: int, score: float, result: dict[str, float]) -> None:
        """Called after each validation."""


class _Watched:
    """Mixin before a RecBole trainer. ``ckd_*`` names are ours, all others RecBole's."""

    ckd_watchers: list[EpochWatcher]
    ckd_best: dict[str, Any] | None
    ckd_epoch: int
    ckd_quick: bool
    ckd_keeps_ranks: bool
    ckd_recorder: RankRecorder | None
    ckd_ranks: Ranks | None
    ckd_item_domain: Tensor | None
    config: Any
    model: Any
    device: Any
    item_tensor: Any
    test_batch_size: int
    saved_model_file: str

    def _train_epoch(self, train_data: Any, epoch_idx: int, *args: Any, **kwargs: Any) -> Any:
        self.ckd_epoch = epoch_idx
        for watcher in self.ckd_watchers:
            watcher.before_epoch(epoch_idx, train_data)
        started = time.perf_counter()
        loss = super()._train_epoch(train_data, epoch_idx, *args, **kwargs)  # type: ignore[misc]
        seconds = time.perf_counter() - started
        total = float(sum(loss)) if isinstance(loss, tuple) else float(loss)
        for watcher in self.ckd_watchers:
            watcher.after_epoch(epoch_idx, seconds, total)
        return loss

    def _valid_epoch(self, *args: Any, **kwargs: Any) -> Any:
        score, result = super()._valid_epoch(*args, **kwargs)  # type: ignore[misc]
        for watcher in self.ckd_watchers:
            watcher.after_validation(self.ckd_epoch, float(score), {k: float(v) for k, v in result.items()})
        return score, result

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **kwargs: Any) -> None:
        super()._save_checkpoint(epoch, verbose=verbose, **kwargs)  # type: ignore[misc]
        self.ckd_best = {
            "epoch": epoch,
            "state_dict": {k: v.detach().clone() for k, v in self.model.state_dict().items()},
            "other_parameter": copy.deepcopy(self.model.other_parameter()),
            "ranks": self.ckd_ranks,
        }

    def evaluate(self, eval_data: Any, load_best_model: bool = True, model_file: Any = None, **kwargs: Any) -> Any:
        from recbole.data.dataloader import FullSortEvalDataLoader

        best = self.ckd_best
        if model_file is not None:
            read = read_checkpoint(model_file)
            best = {"state_dict": read.tensors, "other_parameter": read.values.get("other_parameter")}
        if load_best_model and best is not None:
            self.model.load_state_dict(best["state_dict"])
            self.model.load_other_parameter(best.get("other_parameter"))
            load_best_model = False
        self.ckd_ranks = self.ckd_recorder = None
        with ExitStack() as stack:
            if isinstance(eval_data, FullSortEvalDataLoader):
                if self.ckd_keeps_ranks:
                    self.ckd_recorder = RankRecorder(max(self.config["topk"]))
                if not full_sort_is_own(self.model):
                    stack.enter_context(rows_within_memory(eval_data))
                if self.ckd_quick:
                    stack.enter_context(quick_ranking(self, eval_data))
            result = super().evaluate(  # type: ignore[misc]
                eval_data, load_best_model=load_best_model, model_file=model_file, **kwargs
            )
        if self.ckd_recorder is not None:
            self.ckd_ranks = self.ckd_recorder.ranks()
        return result

    def _full_sort_batch_eval(self, batched_data: Any) -> Any:
        batch = self._ranked_batch(batched_data)
        interaction, scores, positive_u, positive_i = batch
        if self.ckd_item_domain is not None:
            keep_own_domain(scores, positive_u, positive_i, self.ckd_item_domain)
        if self.ckd_recorder is not None:
            self.ckd_recorder.take(interaction[self.config["USER_ID_FIELD"]], scores, positive_u, positive_i)
        return batch

    def _ranked_batch(self, batched_data: Any) -> Any:
        if full_sort_is_own(self.model):
            return super()._full_sort_batch_eval(batched_data)  # type: ignore[misc]
        interaction, history, positive_u, positive_i = batched_data
        rows = interaction.to(self.device)
        pairs = pairs_within_memory(rows, self.item_tensor, self.test_batch_size)
        scores = rank_by_pairs(self.model, rows, self.item_tensor, pairs, share=self.ckd_quick)
        scores[:, 0] = -torch.inf
        if history is not None:
            scores[history] = -torch.inf
        return interaction, scores, positive_u, positive_i


def build_trainer(
    config: Any,
    model: Any,
    run_dir: Path,
    watchers: list[EpochWatcher],
    ranking: bool = True,
    keep_ranks: bool = False,
    item_domain: NDArray[np.int64] | None = None,
) -> Any:
    """Make the trainer that RecBole chooses for a model; it writes below ``run_dir`` and calls the watchers.

    Whoever is done with it calls :func:`close_trainer`.

    Args:
        config: the run's RecBole config.
        model: its model.
        run_dir: where the trainer's files go.
        watchers: see the epochs.
        ranking: whether full rankings are quick (:mod:`ckd_plugins.host.speed.ranking`).
        keep_ranks: whether a full ranking leaves the held-out items' ranks in ``ckd_ranks``, those of the best
            validation in ``ckd_best["ranks"]``.
        item_domain: of :class:`ckd_plugins.host.data.Splits`.

    Raises:
        ConfigError: the trainer's own constructor fails, on a learning rate that is no number for example.
    """
    from recbole.utils import get_trainer

    with clean_environment(), anomaly_mode_kept():
        stock = get_trainer(config["MODEL_TYPE"], config["model"])
        trainer_class = type(f"Watched{stock.__name__}", (_Watched, stock), {})
        with _tensorboard_below(run_dir):
            try:
                trainer = trainer_class(config, model)
            except REFUSALS as error:
                raise ConfigError(
                    f"RecBole's {stock.__name__} refuses the settings of {config['model']} on {config['dataset']}: "
                    f"{reason(error)}"
                ) from error
    trainer.ckd_watchers, trainer.ckd_best, trainer.ckd_epoch = watchers, None, -1
    trainer.ckd_quick, trainer.ckd_keeps_ranks = ranking, keep_ranks
    trainer.ckd_ranks = trainer.ckd_recorder = None
    trainer.ckd_item_domain = None if item_domain is None else torch.from_numpy(item_domain)
    trainer.saved_model_file = str(run_dir / f"{config['model']}.pth")
    return trainer


def close_trainer(trainer: Any) -> None:
    """Close a trainer's TensorBoard file: RecBole never does, so that each run would leave a thread and an open file.

    The trainer can still evaluate. Closing twice does nothing.
    """
    writer = getattr(trainer, "tensorboard", None)
    if writer is not None:
        writer.close()


def scalar_writer(trainer: Any) -> Callable[[Mapping[str, float], int], None]:
    """Return what writes numbers of an epoch below ``ckd/`` in a trainer's TensorBoard; only its first process has one.

    Args:
        trainer: of :func:`build_trainer`.
    """

    def write(numbers: Mapping[str, float], epoch: int) -> None:
        writer: Any = getattr(trainer, "tensorboard", None)
        if writer is not None:
            for name, value in numbers.items():
                writer.add_scalar(f"ckd/{name}", value, epoch)

    return write


@contextlib.contextmanager
def _tensorboard_below(run_dir: Path) -> Iterator[None]:
    """RecBole names its TensorBoard folder relative to the working directory; for one construction, name ours.

    A construction that fails closes what it opened: nobody else has the writer.
    """
    from recbole.trainer import trainer as module
    from torch.utils.tensorboard import SummaryWriter

    stock: Callable[[Any], Any] = module.get_tensorboard
    opened: list[Any] = []

    def ours(logger: Any) -> Any:
        opened.append(SummaryWriter(str(run_dir / "tensorboard")))
        return opened[-1]

    module.get_tensorboard = ours
    try:
        yield
    except BaseException:
        for writer in opened:
            writer.close()
        raise
    finally:
        module.get_tensorboard = stock
