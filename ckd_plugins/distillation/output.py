"""What an objective gives, and how it follows from the losses of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ckd_plugins.distillation.target import Target
from ckd_plugins.distillation.terms import describe
from ckd_plugins.errors import ConfigError

__all__ = ["ObjectiveOutput", "check_weight", "gated_output", "with_own_loss"]


@dataclass(frozen=True)
class ObjectiveOutput:
    """What one batch's distillation gives."""

    loss: Tensor
    """Scalar to add to the student's own loss; the weight is applied. Exactly 0 when the weight is 0."""
    terms: dict[str, Tensor] = field(default_factory=dict)
    """Scalars for the log, detached and left on their device (reading one waits for the device)."""


def gated_output(
    names: Sequence[str],
    targets: Sequence[Target],
    known: Tensor,
    gate: Tensor,
    per_row: Mapping[str, Tensor],
    weight: float,
) -> ObjectiveOutput:
    """Take the gated means of a loss's terms over all rows of a batch, and name them for the log.

    Args:
        names: the teachers'.
        targets: of the batch's chunks, in order.
        known: bool ``[K, B]``.
        gate: ``[B]``, normalised.
        per_row: the loss's terms, each ``[B]``; rows that no teacher knows count for nothing.
        weight: of their sum in the output's loss.
    """
    unknown = ~known.any(dim=0)
    gated = {name: (gate * value.masked_fill(unknown, 0.0)).mean() for name, value in per_row.items()}
    distillation = torch.stack(list(gated.values())).sum()
    log = describe(names, targets, known, gate, gated, distillation)
    return ObjectiveOutput(loss=weight * distillation, terms=log)


def with_own_loss(output: ObjectiveOutput, own: Tensor) -> ObjectiveOutput:
    """Let one backward pass train an integrator by its own loss too, at its own weight of 1.

    Args:
        output: of the batch.
        own: scalar; the term ``integrator``. Its gradient is added to that of the output's loss, its value is not.
    """
    value = own.detach()
    return replace(output, loss=output.loss + (own - value), terms={**output.terms, "integrator": value})


def check_weight(weight: float) -> float:
    """Return the weight of a distillation loss, or say that it is out of range."""
    if not 0 <= weight < float("inf"):
        raise ConfigError(f"distillation weight must be 0 or more, not {weight}")
    return weight
