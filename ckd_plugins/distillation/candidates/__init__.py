"""Which items a batch is distilled on, a file a source."""

from __future__ import annotations

from ckd_plugins.distillation.candidates.base import Candidates, CandidateSource
from ckd_plugins.distillation.candidates.full import Full
from ckd_plugins.distillation.candidates.in_batch import InBatch
from ckd_plugins.distillation.candidates.popular import Popular
from ckd_plugins.distillation.candidates.teachers_top import TeachersTop
from ckd_plugins.distillation.candidates.uniform import Uniform

__all__ = ["CandidateSource", "Candidates", "Full", "InBatch", "Popular", "TeachersTop", "Uniform"]
