"""The hooks of this plugin."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_plugins import LossSpec, hookimpl

__all__ = ["ckd_register_losses"]


@hookimpl
def ckd_register_losses() -> Iterator[LossSpec]:
    """Register ``rce``."""
    yield LossSpec(
        name="rce",
        factory="ckd_rce_loss.loss:RejuvenatedCrossEntropy",
        summary="cross-entropies on the student's and the teachers' best items, balanced by their overlap (RCE-KD)",
    )
