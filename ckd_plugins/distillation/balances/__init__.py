"""How the student's own loss and the distillation share a step, a file a balance."""

from __future__ import annotations

from ckd_plugins.distillation.balances.base import Balance
from ckd_plugins.distillation.balances.fixed import FixedBalance
from ckd_plugins.distillation.balances.gradient_norm import GradientNorm
from ckd_plugins.distillation.balances.uncertainty import Uncertainty

__all__ = ["Balance", "FixedBalance", "GradientNorm", "Uncertainty"]
