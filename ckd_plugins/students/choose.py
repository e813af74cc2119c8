"""The first reader of a model's family that the probe accepts, cheapest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ckd_plugins.errors import StudentError
from ckd_plugins.students.families import family, require_student, scores_pairs
from ckd_plugins.students.probe import Probe, Verdict
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.students.readers.embeddings import FactorTables, PropagatedTables
from ckd_plugins.students.readers.logits import LossLogits
from ckd_plugins.students.readers.pointwise import ExpandedRows
from ckd_plugins.students.readers.replay import Replay
from ckd_plugins.students.readers.second_pass import SecondPass
from ckd_plugins.students.readers.sequence import SequenceOutput
from ckd_plugins.students.readers.vectors import VectorReader

__all__ = ["choose_reader", "examine", "readers", "vector_reader"]


def readers(model: Any, probe: Probe) -> Iterator[Reader]:
    """The built-in readers that a model might be read by, cheapest first."""
    items, link, kind = probe.catalogue, probe.link, family(model)
    if kind == "sequential":
        yield from LossLogits.offered(model, items)
        yield from SequenceOutput.offered(model, items)
    if kind in ("general", "graph", "knowledge"):
        yield from PropagatedTables.offered(model, items)
        yield from FactorTables.offered(model, items)
    if kind != "feature_interaction":
        yield from Replay.offered(model, items, link)
    # Where forward does not take the item, C candidates would mean encoding the row C times; ranking is cheaper then.
    pairs = kind != "autoencoder" and scores_pairs(model)
    if pairs:
        yield from _expanded(model, probe, kind)
    yield from SecondPass.offered(model, items, link)
    if not pairs:
        yield from _expanded(model, probe, kind)


def _expanded(model: Any, probe: Probe, kind: str) -> Iterator[Reader]:
    for reader in ExpandedRows.offered(model, probe.catalogue, probe.link):
        if kind == "graph":  # predict propagates over the whole graph again
            reader.passes = 2
        yield reader


def examine(model: Any, probe: Probe) -> tuple[Reader | None, list[Verdict]]:
    """Try a model's readers, cheapest first.

    Returns:
        The first that the probe accepts, or ``None``; and the verdicts on those before it, which say why not.
    """
    rejected: list[Verdict] = []
    for reader in readers(model, probe):
        verdict = probe.accepts(reader)
        if verdict:
            return reader, rejected
        rejected.append(verdict)
    return None, rejected


def choose_reader(model: Any, probe: Probe) -> Reader:
    """Choose how candidate scores are read out of a model.

    Args:
        model: the stock RecBole model instance.
        probe: a probe of that model.

    Returns:
        The first reader that the probe accepts.

    Raises:
        StudentError: the model is not trained by gradients, or no reader gives its own scores; says why.
    """
    name = type(model).__name__
    require_student(model)
    if not probe.loss_reaches_parameters():
        raise StudentError(f"{name} cannot be a student: its loss reaches no parameter; it can be a teacher")
    reader, rejected = examine(model, probe)
    if reader is None:
        tried = "; ".join(f"{verdict.reader.name} ({verdict.reason})" for verdict in rejected)
        raise StudentError(
            f"{name} cannot be a student: no reader gives its own scores: {tried}; "
            f"write one and yield it from ckd_choose_reader"
        )
    return reader


def vector_reader(model: Any, probe: Probe) -> VectorReader | None:
    """Find the first of a model's readers that reads vectors, and whose scores the probe accepts.

    A model may be read more cheaply by another: SASRec's logits are at hand, what they are products of has to be kept.
    """
    return next((r for r in readers(model, probe) if isinstance(r, VectorReader) and probe.accepts(r)), None)
