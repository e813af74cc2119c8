"""The package's version, in a module of its own so that rooms can read it without importing the package's surface."""

from __future__ import annotations

__version__ = "0.1.0"
