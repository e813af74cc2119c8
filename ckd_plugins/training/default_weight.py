"""The weight of the distillation where none is set: what suits the student's own loss."""

from __future__ import annotations

from ckd_plugins._scheduled import Scheduled
from ckd_plugins.config import CkdConfig
from ckd_plugins.students.readers.base import Reader

__all__ = ["ELSEWHERE", "SOFTMAX", "weight_of"]

SOFTMAX = 4.0
"""For an own loss that is a softmax over the catalogue, with a divergence beside it, both in nats: better by validation
than 1 (docs/results.md)."""
ELSEWHERE = 1.0


def weight_of(config: CkdConfig, reader: Reader) -> float | Scheduled:
    """Return the weight that is set, or the student's default.

    Args:
        config: the ``ckd`` section.
        reader: how the student's scores are read.
    """
    if config.weight is not None:
        return config.weight
    in_nats = reader.softmax and config.loss.name in ("kl", "cross_entropy") and config.balance.name == "fixed"
    return SOFTMAX if in_nats else ELSEWHERE
