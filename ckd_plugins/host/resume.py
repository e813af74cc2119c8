"""What the next epoch of a RecBole trainer depends on, as tensors and JSON: RecBole's own resuming unpickles a file.

It goes on with new random numbers, besides, so that a run that was interrupted is another run.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ckd_plugins._prefixed import below

__all__ = ["Place", "keep_epochs"]


class Place(Protocol):
    """Where a training is written down."""

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        ...

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return what was written last, if anything was."""
        ...

    def write(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write, in the place of what was written before."""
        ...


def keep_epochs(trainer: Any, place: Place) -> bool:
    """Let a trainer go on from what is written down, and write down how far it is between epochs.

    The weights at the end are those of a training that was not interrupted, bit for bit where arithmetic repeats
    itself. Of the trainers only RecBole's plain one is kept, which all but a dozen models use: the others have
    optimizers or stages of their own.

    Args:
        trainer: of :func:`ckd_plugins.host.trainer.build_trainer`, before its ``fit``.
        place: where.

    Returns:
        Whether this trainer can be kept.
    """
    from recbole.trainer import Trainer

    stock = next(cls for cls in type(trainer).__mro__ if cls.__module__.startswith("recbole."))
    sparse = any(value.layout != torch.strided for value in trainer.model.state_dict().values())
    beside = trainer.model.other_parameter()  # of models that train by steps: caches, filled in ranking
    if stock is not Trainer or sparse or any(value is not None for value in beside.values()):
        return False
    keeping = _Keeping(trainer, place)
    trainer.ckd_watchers = [keeping, *trainer.ckd_watchers]
    if (found := place.read()) is not None:
        keeping.restore(*found)
    return True


class _Keeping:
    """Sees the epochs of a trainer; RecBole has counted the last one in when the next one begins."""

    def __init__(self, trainer: Any, place: Place) -> None:
        self._trainer, self._place = trainer, place
        self._states: tuple[Mapping[str, Tensor], Mapping[str, Any]] | None = None

    def before_epoch(self, epoch: int, train_data: Any) -> None:
        if self._states is not None:
            _set_generators(train_data, *self._states)
            self._states = None
        elif epoch > 0 and self._place.due:
            self._place.write(*self._capture(epoch, train_data))

    def after_epoch(self, epoch: int, seconds: float, loss: float) -> None:
        pass

    def after_validation(self, epoch: int, score: float, result: dict[str, float]) -> None:
        pass

    def _capture(self, epoch: int, train_data: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
        trainer, model = self._trainer, self._trainer.model
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        best = trainer.ckd_best
        if best is not None:
            tensors |= {f"best.{name}": value for name, value in best["state_dict"].items()}
            tensors |= {f"cache.{name}": value for name, value in best["other_parameter"].items() if value is not None}
        moments: dict[str, dict[str, Any]] = {}
        for at, values in trainer.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{at}.{key}": value for key, value in values.items() if isinstance(value, Tensor)}
            moments[str(at)] = {key: value for key, value in values.items() if not isinstance(value, Tensor)}
        version, words, gauss = random.getstate()
        _, array, position, has_gauss, cached = np.random.get_state(legacy=True)
        tensors["random.torch"], tensors["random.loader"] = torch.get_rng_state(), train_data.generator.get_state()
        tensors["random.numpy"] = torch.from_numpy(np.asarray(array).astype(np.int64))
        if torch.cuda.is_available():
            tensors |= {f"random.cuda.{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
        result = trainer.best_valid_result
        return {name: value.clone() for name, value in tensors.items()}, {
            "epoch": epoch,
            "best_epoch": None if best is None else best["epoch"],
            "cur_step": trainer.cur_step,
            "best_valid_score": float(trainer.best_valid_score),
            "best_valid_result": None if result is None else {key: float(value) for key, value in result.items()},
            "losses": {str(key): value for key, value in trainer.train_loss_dict.items()},
            "optimizer": moments,
            "counters": _counters(model),
            "random.python": [version, list(words), gauss],
            "random.numpy": [int(position), int(has_gauss), float(cached)],
        }

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Become what :meth:`_capture` saw; the generators are set when the epoch begins."""
        trainer, model = self._trainer, self._trainer.model
        model.load_state_dict(below(tensors, "model."))
        if state["best_epoch"] is not None:
            best = {name: value.to(trainer.device) for name, value in below(tensors, "best.").items()}
            caches: dict[str, Tensor | None] = dict.fromkeys(model.other_parameter())
            caches |= {name: value.to(trainer.device) for name, value in below(tensors, "cache.").items()}
            trainer.ckd_best = {"epoch": state["best_epoch"], "state_dict": best, "other_parameter": caches}
        moments = {
            int(at): {**values, **below(tensors, f"optimizer.{at}.")} for at, values in state["optimizer"].items()
        }
        trainer.optimizer.load_state_dict({**trainer.optimizer.state_dict(), "state": moments})
        trainer.start_epoch, trainer.cur_step = state["epoch"], state["cur_step"]
        trainer.best_valid_score, trainer.best_valid_result = state["best_valid_score"], state["best_valid_result"]
        trainer.train_loss_dict = {int(key): value for key, value in state["losses"].items()}
        modules = dict(model.named_modules())
        for name, counters in state["counters"].items():
            for counter, value in counters.items():
                setattr(modules[name], counter, value)
        self._states = tensors, state


def _counters(model: nn.Module) -> dict[str, dict[str, float]]:
    """Numbers that modules have as attributes: some models count steps in them (the annealing of MultiVAE)."""
    return {
        name: {key: value for key, value in vars(module).items() if type(value) in (int, float)}
        for name, module in model.named_modules()
    }


def _set_generators(train_data: Any, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    version, words, gauss = state["random.python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(("MT19937", tensors["random.numpy"].numpy().astype(np.uint32), *state["random.numpy"]))
    torch.set_rng_state(tensors["random.torch"])
    train_data.generator.set_state(tensors["random.loader"])
    for name, value in below(tensors, "random.cuda.").items():
        torch.cuda.set_rng_state(value, int(name))
