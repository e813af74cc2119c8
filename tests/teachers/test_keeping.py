"""Training that outlives its process: the same weights, bit for bit, or none of the old ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ckd_plugins.teachers import fitting, keeping
from ckd_plugins.teachers.fitting import Schedule, fit
from ckd_plugins.teachers.history import History
from ckd_plugins.teachers.keeping import kept_in, watched
from ckd_plugins.teachers.windows import Batch

EPOCHS, BATCHES = 4, 5


class Stopped(BaseException):
    """The process ends here."""


class Net(nn.Module):
    """Draws random numbers of torch and numpy, and changes a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)  # made anew by the caller, not kept

    def loss(self, batch: Batch, rng: np.random.Generator | None) -> Tensor:
        noise = 0.0 if rng is None else rng.standard_normal()
        x = torch.from_numpy(batch.items.astype(np.float32))
        return ((self.layers(x)[:, 0] - x.sum(dim=1) + noise) ** 2).mean()


def batch(rng: np.random.Generator) -> Batch:
    rows = np.arange(7)
    return Batch(rows, rng.integers(0, 5, (7, 6)), rows, rows, rows)


def train(
    stop_at: int | None = None,
    *,
    watch: bool = True,
    noise: bool = True,
    scores: Callable[[int], float] = lambda calls: [0.2, 0.6, 0.5, 0.4][calls % 4],
    schedule: Schedule | None = None,
    after: Callable[[int], None] | None = None,
) -> tuple[dict[str, Tensor], History]:
    """All that a teacher does around ``fit``; ``stop_at``: the batch in which the process ends."""
    schedule = schedule or Schedule("finetune", EPOCHS, 0.05, patience=3)
    seen = 0
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        rng = np.random.default_rng(1)
        net = Net()

        def batches() -> Iterator[Batch]:
            for number in rng.permutation(BATCHES):
                yield batch(np.random.default_rng(number))

        def loss(one: Batch) -> Tensor:
            nonlocal seen
            seen += 1
            if seen == stop_at:
                raise Stopped
            if after is not None:
                after(seen)
            return net.loss(one, rng if noise else None)

        def validate() -> float:  # of the weights, so that a resumed process measures what the other one would have
            weight = float(net.layers[0].weight.detach().abs().sum())
            return scores(int(weight * 1e4))

        with watched(rng) if watch else nullcontext():
            history = fit(net, batches, loss, schedule, validate=validate)
    return {name: value.clone() for name, value in net.state_dict().items()}, history


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def outcome(history: History) -> tuple[Any, ...]:
    return history.best, history.stopped, [(e.number, e.loss, e.valid) for e in history.epochs]


@pytest.mark.parametrize("every", [0.0, 1e9], ids=["every batch", "every epoch"])
@pytest.mark.parametrize("stops", [[1], [3], [BATCHES + 1], [2, 2, 4], [BATCHES * 3 + 2], [7, 1, 3]], ids=str)
def test_a_stopped_training_ends_with_the_same_weights(tmp_path: Path, stops: list[int], every: float) -> None:
    """Another order of batches, another dropout or an optimizer that forgot its moments is another teacher."""
    expected, history = train()
    for stop in stops:
        with pytest.raises(Stopped), kept_in(tmp_path, "a", every=every):
            train(stop)
    with kept_in(tmp_path, "a", every=every):
        found, again = train()
    assert same(found, expected)
    assert outcome(again) == outcome(history)


@pytest.mark.parametrize("stop", [2, BATCHES + 3, BATCHES * 3])
def test_a_generator_that_nobody_watches_is_drawn_through(tmp_path: Path, stop: int) -> None:
    """A teacher of another package knows nothing of this; its second epoch must not see the first one's order."""
    expected, _ = train(watch=False, noise=False)
    with pytest.raises(Stopped), kept_in(tmp_path, "a", every=0.0):
        train(stop, watch=False, noise=False)
    with kept_in(tmp_path, "a"):
        assert same(train(watch=False, noise=False)[0], expected)


def test_keeping_changes_nothing(tmp_path: Path) -> None:
    """A run that is never killed must not depend on how often it was written down."""
    expected, _ = train()
    with kept_in(tmp_path, "a", every=0.0):
        assert same(train()[0], expected)


def test_a_finished_training_is_not_done_again(tmp_path: Path) -> None:
    """Pre-training takes hours; that fine-tuning was killed must not cost it again."""
    with kept_in(tmp_path, "a"):
        expected, history = train()
    with kept_in(tmp_path, "a"):
        found, again = train(stop_at=1)  # would end at its first batch
    assert same(found, expected)
    assert outcome(again) == outcome(history)


def test_other_data_or_options_are_not_continued(tmp_path: Path) -> None:
    """A teacher half of this and half of that could never be made again."""
    lines: list[str] = []
    with pytest.raises(Stopped), kept_in(tmp_path, "these data"):
        train(BATCHES * 2)
    with kept_in(tmp_path, "those data", told=lines.append):
        found, history = train()
    assert same(found, train()[0])
    assert len(history.epochs) == EPOCHS
    assert lines == ["what was kept was begun with other data or options; starting again"]


def test_a_damaged_file_starts_again(tmp_path: Path) -> None:
    """A full disk would make the teacher impossible to train until somebody finds the folder."""
    with pytest.raises(Stopped), kept_in(tmp_path, "a"):
        train(BATCHES * 2)
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    lines: list[str] = []
    with kept_in(tmp_path, "a", told=lines.append):
        assert same(train()[0], train()[0])
    assert len(lines) == 1
    assert "cannot be read" in lines[0]


def test_a_disk_that_is_full_does_not_end_the_training(tmp_path: Path) -> None:
    """Hours would be lost to what is there to save them."""
    told: list[str] = []
    (tmp_path / "kept").write_text("a file where the folder should be")
    with kept_in(tmp_path / "kept", "x", told=told.append):
        weights, _ = train()
    expected, _ = train()
    assert all(torch.equal(weights[name], value) for name, value in expected.items())
    assert len(told) == EPOCHS
    assert all("cannot be kept" in line and "\n" not in line for line in told)


def test_a_process_that_ends_while_it_writes_loses_the_last_step_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that is being written is never the one that is read."""
    written = 0

    def half(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
        nonlocal written
        written += 1
        save_file(tensors, path, metadata=metadata)
        if written == 3:
            path.write_bytes(path.read_bytes()[:200])
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "save_file", half)
        with pytest.raises(Stopped), kept_in(tmp_path, "a", every=0.0):
            train()
    lines: list[str] = []
    with kept_in(tmp_path, "a", told=lines.append):
        found, _ = train()
    assert same(found, train()[0])
    assert lines == ["an earlier process was stopped; finetune goes on at epoch 1, batch 3 (of 4 epochs)"]


def test_a_limit_of_time_counts_what_earlier_processes_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher that is killed every hour would never reach its limit."""
    clock, batches = 0.0, 0

    def second(_: int) -> None:
        nonlocal clock, batches
        clock, batches = clock + 1.0, batches + 1

    monkeypatch.setattr(fitting, "time", SimpleNamespace(perf_counter=lambda: clock))
    schedule = Schedule("pretrain", 10_000, 0.01, max_seconds=30.0)
    with pytest.raises(Stopped), kept_in(tmp_path, "a", every=0.0):
        train(20, after=second, schedule=schedule)
    assert batches == 19
    clock, batches = 1000.0, 0  # another process, whenever it is
    with kept_in(tmp_path, "a", every=0.0):
        _, history = train(after=second, schedule=schedule)
    assert (batches, history.stopped, history.seconds) == (11, "seconds", 30.0)


def test_stages_and_their_loops_are_kept_apart(tmp_path: Path) -> None:
    """A teacher may train twice in a stage: the second loop is not the first one's continuation."""
    first, second = Schedule("finetune", 2, 0.05), Schedule("finetune", 3, 0.02)
    expected = [train(schedule=first), train(schedule=second)]
    with kept_in(tmp_path, "a"):
        train(schedule=first)
        with pytest.raises(Stopped):
            train(BATCHES + 2, schedule=second)
    with kept_in(tmp_path, "a"):
        found = [train(schedule=first), train(schedule=second)]
    for (weights, history), (others, other) in zip(found, expected, strict=True):
        assert same(weights, others)
        assert outcome(history) == outcome(other)


def test_nothing_is_kept_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher in a notebook must not leave files where it happens to run."""
    monkeypatch.chdir(tmp_path)
    train()
    with pytest.raises(Stopped):
        train(3)
    assert list(tmp_path.iterdir()) == []
