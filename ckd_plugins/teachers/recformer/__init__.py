"""Recformer: a language model reads a user's items as one text (Li et al., KDD 2023)."""

from __future__ import annotations

from ckd_plugins.teachers.recformer.teacher import Recformer

__all__ = ["Recformer"]
