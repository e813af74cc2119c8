"""Upstream defects that stop single models of RecBole 1.2.1, each worked round on the class that has it."""

from __future__ import annotations

from ckd_plugins.host.upstream.mending import MENDED, mend

__all__ = ["MENDED", "mend"]
