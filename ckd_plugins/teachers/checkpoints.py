"""Published weights, as teachers read them; the reader is :mod:`ckd_plugins.host.checkpoint`."""

from __future__ import annotations

from ckd_plugins.host.checkpoint import Checkpoint, read_checkpoint

__all__ = ["Checkpoint", "read_checkpoint"]
