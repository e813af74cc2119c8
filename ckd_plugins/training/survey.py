"""What kind of student each model makes, found out on a slice of MovieLens-100K: the truth behind ``ckd students``.

Measured, not declared: :mod:`ckd_plugins.students.table` keeps what was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ckd_plugins.config import Speed
from ckd_plugins.errors import StudentError
from ckd_plugins.host.data import load_splits
from ckd_plugins.host.loaders import trim_batches
from ckd_plugins.host.needs import needs
from ckd_plugins.host.settings import build_config
from ckd_plugins.host.speed.model import speed_up
from ckd_plugins.host.stages import build_pretrained
from ckd_plugins.host.state import override, preserved
from ckd_plugins.host.upstream import MENDED
from ckd_plugins.registry import Registry
from ckd_plugins.students.attachment import attach
from ckd_plugins.students.choose import examine
from ckd_plugins.students.families import family, loss_arguments, loss_method, make_ready, refusal
from ckd_plugins.students.probe import Probe
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.students.rows import RowSource
from ckd_plugins.students.table import StudentRow
from ckd_plugins.students.zoo.positions import AllPositions
from ckd_plugins.training.material import gather
from ckd_plugins.training.probing import make_probe
from ckd_plugins.training.sample import sample_dataset, sample_settings
from ckd_plugins.training.student import row_source
from ckd_plugins.training.subscribe import subscribe

__all__ = ["survey"]


def survey(name: str, folder: Path, registry: Registry) -> StudentRow:
    """Build a model on the slice, choose its reader, and measure one distilled step.

    Args:
        name: one of RecBole's models, or a registered student.
        folder: scratch; gets the slice and RecBole's files.
        registry: where registered students are looked up.

    Raises:
        EnvironmentProblem: the model needs a package that is not installed.
        StudentError: it cannot be built, or its gradient is not finite.
    """
    student = subscribe(name, registry)
    wanted = needs(student.model)
    dataset = sample_dataset(folder, wanted)
    settings = sample_settings(student.model, wanted)
    config = build_config(student.model, dataset, settings, folder / name, defaults=student.defaults)
    splits = load_splits(config)
    model = build_pretrained(config, splits, folder / name, lambda stage, epoch, total: None)
    row = StudentRow(
        name,
        student.family or family_of(model),
        "student",
        needs=(*wanted.words(), *student.packages),
        note=_mended(student.model),
    )
    why = refusal(model)
    if why is not None:
        return replace(row, status=why)
    speed = speed_up(model, splits.train, config, Speed())
    if trim_batches(splits.train, model, config):
        speed = ("trim", *speed)
    probe = make_probe(model, splits, config)
    if not probe.loss_reaches_parameters():
        return replace(row, status="its loss reaches no parameter")
    reader, rejected = (student.reader(model), []) if student.reader is not None else examine(model, probe)
    if reader is None:
        return replace(row, status="no reader gives its own scores")
    draws = probe.own_ranking_draws()
    rows = row_source(model, gather(splits, config, dataset, None), student)
    own, extra = _measure(model, reader, probe, rows)
    notes = [row.note] if row.note else []
    if draws:
        notes.append("ranks with random numbers: two evaluations differ")
    if reader.passes > 1:
        notes.append(_why_twice(rejected) or "its forward pass propagates over the whole graph for each call")
    return replace(
        row,
        reader=reader.name,
        passes=reader.passes,
        own_calls=own,
        extra_calls=extra,
        draws=draws,
        speed=speed,
        note="; ".join(notes),
    )


def family_of(model: Any) -> str:
    """The family of a model, tree models included."""
    return family(model) if isinstance(model, torch.nn.Module) else "decision tree"


def _mended(name: str) -> str:
    return f"upstream defect worked round: {MENDED[name][1]}" if name in MENDED else ""


def _why_twice(rejected: list[Any]) -> str:
    """The verdict on the reader that would have done with one pass and came nearest: the last that was tried."""
    reasons = [f"{v.reader.name}: {v.reason.partition(': ')[2] or v.reason}" for v in rejected if v.reader.passes == 1]
    return reasons[-1] if reasons else ""


def _measure(model: Any, reader: Reader, probe: Probe, rows: RowSource | None) -> tuple[int, int]:
    """Calls of ``forward`` by the own loss and by reading, in one distilled step whose gradient is checked."""
    calls: list[int] = []
    loss = _Push()
    with preserved(model), _counted(model, calls):
        model.train()
        make_ready(model)
        calls.clear()
        with attach(model, loss, reader, rows=rows):
            loss.calls = calls
            getattr(model, loss_method(model))(probe.batch(), **loss_arguments(model))
    _check_gradient(model, loss)
    own = loss.own_calls
    return own, len(calls) - own


class _Push:
    """Pushes targets above sixteen items; counts the calls made before it was asked."""

    weight = 1.0

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.own_calls = 0
        self.loss: Tensor | None = None

    def __call__(self, rows: Tensor, targets: Tensor, read: Any) -> Any:
        self.own_calls = len(self.calls)
        others = torch.arange(1, 17, device=targets.device).expand(len(targets), -1)
        scores = read(torch.cat([targets[:, None], others], dim=1))
        self.loss = -torch.log_softmax(scores, dim=1)[:, 0].mean()
        self.terms: dict[str, Tensor] = {}
        return self


def _check_gradient(model: Any, loss: _Push) -> None:
    name = type(model).__name__
    if loss.loss is None:
        raise StudentError(f"{name}: its batch has no row that could be distilled")
    parameters = [p for p in model.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss.loss, parameters, allow_unused=True)
    norms = [g.coalesce().values().norm() if g.is_sparse else g.norm() for g in found if g is not None]
    norm = torch.stack(norms).norm() if norms else torch.tensor(0.0)
    if not bool(torch.isfinite(norm)) or not bool(norm > 0):
        raise StudentError(f"{name}: the gradient of the distillation loss is {float(norm)}")


@contextmanager
def _counted(model: Any, calls: list[int]) -> Iterator[None]:
    # What a model that is trained on whole sequences encodes them by counts as its forward pass.
    method = "encode" if isinstance(model, AllPositions) else "forward"
    stock = getattr(model, method)

    def counter(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return stock(*args, **kwargs)

    with override(model, method, counter):
        yield
