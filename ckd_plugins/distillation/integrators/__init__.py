"""How several teachers become one target, a file an integrator."""

from __future__ import annotations

from ckd_plugins.distillation.integrators.base import Integrator, Opinions
from ckd_plugins.distillation.integrators.best import Best
from ckd_plugins.distillation.integrators.confidence import Confidence
from ckd_plugins.distillation.integrators.confidence_consistency import ConfidenceConsistency
from ckd_plugins.distillation.integrators.consistency import Consistency
from ckd_plugins.distillation.integrators.entropy import Entropy
from ckd_plugins.distillation.integrators.fixed import FixedIntegrator
from ckd_plugins.distillation.integrators.learned import Learned
from ckd_plugins.distillation.integrators.scored import ScoredIntegrator
from ckd_plugins.distillation.integrators.uniform import UniformIntegrator

__all__ = [
    "Best",
    "Confidence",
    "ConfidenceConsistency",
    "Consistency",
    "Entropy",
    "FixedIntegrator",
    "Integrator",
    "Learned",
    "Opinions",
    "ScoredIntegrator",
    "UniformIntegrator",
]
