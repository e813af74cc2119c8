"""The numbers that a batch leaves in the run's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ckd_plugins.distillation.target import Target

__all__ = ["describe"]


@torch.no_grad()
def describe(
    names: Sequence[str],
    targets: Sequence[Target],
    known: Tensor,
    gate: Tensor,
    terms: Mapping[str, Tensor],
    distillation: Tensor,
) -> dict[str, Tensor]:
    """Name the means of a batch.

    Args:
        names: the teachers'.
        targets: of the batch's chunks, in order.
        known: bool ``[K, B]``.
        gate: ``[B]``, normalised.
        terms: gated means of the loss's terms.
        distillation: their sum.

    Returns:
        Detached scalars on their device: ``distillation`` (before the weight), ``distillation/<term>``,
        ``gate/effective`` (Kish's effective share of the known rows: 1 when all weigh the same, small when few carry
        the batch), and for each teacher ``known/<name>`` (share of rows), ``weight/<name>``, ``confidence/<name>``,
        ``consistency/<name>`` (means over the rows that it knows, NaN where there are none).
    """
    log = {"distillation": distillation.detach()}
    log.update({f"distillation/{name}": value.detach() for name, value in terms.items()})
    rows = known.any(dim=0).sum().clamp_min(1)
    log["gate/effective"] = gate.sum().square() / (rows * gate.square().sum()).clamp_min(torch.finfo(gate.dtype).tiny)
    # Not a number where a teacher knows no row: such a batch is none of those that an epoch's mean is taken over.
    counts = known.sum(dim=1).to(gate.dtype)
    per_teacher = {
        "known": known.to(gate.dtype).mean(dim=1),
        "weight": torch.cat([t.weights for t in targets], dim=1).sum(dim=1) / counts,
        "confidence": torch.cat([t.confidence for t in targets], dim=1).sum(dim=1) / counts,
        "consistency": torch.cat([t.consistency for t in targets], dim=1).sum(dim=1) / counts,
    }
    for measure, values in per_teacher.items():
        log.update({f"{measure}/{name}": value.detach() for name, value in zip(names, values.unbind(), strict=True)})
    return log
