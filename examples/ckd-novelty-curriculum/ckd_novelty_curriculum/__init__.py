"""A difficulty measure and a schedule, as a plugin of ckd-plugins."""

from __future__ import annotations
