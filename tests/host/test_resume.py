from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ckd_plugins.host.recommender import Recommender
from ckd_plugins.host.settings import find_dataset

from .conftest import BY_TIME, SMALL

SETTINGS = {
    **SMALL,
    "eval_args": BY_TIME,
    "hidden_size": 16,
    "embedding_size": 16,
    "train_batch_size": 2048,
    "epochs": 4,
    "hidden_dimension": 16,
    "latent_dimension": 8,
}


class Memory:
    """Keeps what was written, for another training."""

    def __init__(self, *, due: bool = True) -> None:
        self.due, self.written = due, list[tuple[dict[str, Tensor], dict[str, Any]]]()
        self.found: tuple[dict[str, Tensor], dict[str, Any]] | None = None

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        return self.found

    def write(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        self.written.append((dict(tensors), dict(state)))


class Epochs:
    """Notes which epochs are trained."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def before_epoch(self, epoch: int, train_data: Any) -> None:
        self.seen.append(epoch)

    def after_epoch(self, epoch: int, seconds: float, loss: float) -> None: ...

    def after_validation(self, epoch: int, score: float, result: dict[str, float]) -> None: ...


def weights(model: str, folder: Path, place: Memory | None, epochs: Epochs | None = None) -> dict[str, Tensor]:
    watchers = [] if epochs is None else [epochs]
    return Recommender.train(model, find_dataset("ml-100k"), SETTINGS, folder, watchers, place).weights


@pytest.mark.parametrize("model", ["BPR", "NeuMF"])
def test_from_any_epoch_on_the_weights_are_the_same(model: str, tmp_path: Path) -> None:
    """The same negatives, order and moments; keeping itself must draw nothing."""
    plain = weights(model, tmp_path / "plain", None)
    memory = Memory()
    kept = weights(model, tmp_path / "kept", memory)
    assert all(torch.equal(plain[name], kept[name]) for name in plain)
    assert [state["epoch"] for _, state in memory.written] == [1, 2, 3]
    for number, found in enumerate(memory.written, start=1):
        again, epochs = Memory(due=False), Epochs()
        again.found = found
        torch.manual_seed(number)
        resumed = weights(model, tmp_path / str(number), again, epochs)
        assert epochs.seen == list(range(number, 4))
        assert not again.written
        assert all(torch.equal(plain[name], resumed[name]) for name in plain)


def test_a_trainer_of_a_models_own_is_not_kept(tmp_path: Path) -> None:
    """RecVAE alternates two optimizers; half of its state would be taken for all of it."""
    memory, epochs = Memory(), Epochs()
    weights("RecVAE", tmp_path, memory, epochs)
    assert epochs.seen == [0, 1, 2, 3]
    assert not memory.written
