"""Models that RecBole pre-trains before it trains them: S3Rec and RaCT, from the first stage to the last in one run.

RecBole does one stage a run: by default S3Rec's pre-training of 500 epochs, after which ``run_recbole`` tests a model
that never learnt to rank (https://github.com/RUCAIBox/RecBole/issues/2200); the next stage is a second run with
``pre_model_path`` set by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ckd_plugins.errors import ConfigError
from ckd_plugins.host.data import Splits
from ckd_plugins.host.models import build_model
from ckd_plugins.host.trainer import build_trainer, close_trainer

__all__ = ["STAGES", "build_pretrained", "stages_before"]

STAGES = {"S3Rec": ("pretrain", "finetune"), "RaCT": ("actor_pretrain", "critic_pretrain", "finetune")}
"""Stages by model, in order; the last one trains the ranking that is evaluated."""

Advance = Callable[[str, int, int], None]
"""Called after each pre-training epoch with the stage, the epoch from 1, and how many there are."""


def stages_before(config: Any) -> tuple[str, ...]:
    """Stages that a config's run has to do before the last: from ``train_stage`` on, none with ``finetune``."""
    order = STAGES.get(config["model"], ())
    return order[order.index(config["train_stage"]) : -1] if config["train_stage"] in order else ()


def build_pretrained(config: Any, splits: Splits, run_dir: Path, advance: Advance, epochs: int | None = None) -> Any:
    """Make a config's model, pre-trained where RecBole pre-trains it.

    The config is left in the last stage, with ``pre_model_path`` naming the weights in ``run_dir``: RecBole's models
    read them whenever they are made in that stage, so that a checkpoint of the run needs the file where it is. Those
    weights are plain tensors: nothing is unpickled.

    Args:
        config: RecBole's config.
        splits: its data.
        run_dir: gets the pre-trained weights.
        advance: shows progress.
        epochs: epochs of each pre-training stage; by default the config's ``pretrain_epochs``.

    Raises:
        ConfigError: the number of epochs is none.
    """
    for stage in stages_before(config):
        total = epochs if epochs is not None else config["pretrain_epochs"]
        if not isinstance(total, int) or isinstance(total, bool) or total < 1:
            raise ConfigError(f"pretrain_epochs must be a whole number of at least 1, not {total!r}")
        config["train_stage"], config["pretrain_epochs"] = stage, total
        config["save_step"] = total + 1  # RecBole would write its own files, a pickled Config among their content
        model = build_model(config, splits)
        trainer = build_trainer(config, model, run_dir, [_Progress(stage, total, advance)])
        try:
            trainer.fit(splits.train, splits.valid, verbose=False, saved=False, show_progress=False)
        finally:
            close_trainer(trainer)
        path = run_dir / f"{stage}.pth"
        torch.save({"state_dict": model.state_dict()}, path)
        config["pre_model_path"] = str(path.resolve())  # a checkpoint of the run names it, wherever it is loaded from
        config["train_stage"] = STAGES[config["model"]][-1]
    return build_model(config, splits)


class _Progress:
    def __init__(self, stage: str, total: int, advance: Advance) -> None:
        self._stage, self._total, self._advance = stage, total, advance

    def before_epoch(self, epoch: int, train_data: Any) -> None:
        pass

    def after_epoch(self, epoch: int, seconds: float, loss: float) -> None:
        self._advance(self._stage, epoch + 1, self._total)

    def after_validation(self, epoch: int, score: float, result: dict[str, float]) -> None:
        pass
