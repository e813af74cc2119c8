"""A distillation loss after RCE-KD, as a plugin of ckd-plugins."""

from __future__ import annotations
