"""From a teacher's name to its signal: trained once, cached by what it was made from, read by every later run."""

from __future__ import annotations

from ckd_plugins.training.teaching.checks import check_cache, check_teachers
from ckd_plugins.training.teaching.pretraining import read_pretraining
from ckd_plugins.training.teaching.teach import Taught, teach

__all__ = ["Taught", "check_cache", "check_teachers", "read_pretraining", "teach"]
