"""The command ``ckd``: a file a command group, each loaded when it is called."""

from __future__ import annotations
