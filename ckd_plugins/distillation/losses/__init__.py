"""How far the student is from the target, a file a loss."""

from __future__ import annotations

from ckd_plugins.distillation.losses.base import Loss, VectorShape
from ckd_plugins.distillation.losses.cross_entropy import SoftCrossEntropy
from ckd_plugins.distillation.losses.feature_regression import FeatureRegression
from ckd_plugins.distillation.losses.js import JensenShannon
from ckd_plugins.distillation.losses.kl import KLDivergence
from ckd_plugins.distillation.losses.listwise import ListMLE
from ckd_plugins.distillation.losses.mse import StandardizedMSE
from ckd_plugins.distillation.losses.pairwise import Pairwise
from ckd_plugins.distillation.losses.reverse_kl import ReverseKL

__all__ = [
    "FeatureRegression",
    "JensenShannon",
    "KLDivergence",
    "ListMLE",
    "Loss",
    "Pairwise",
    "ReverseKL",
    "SoftCrossEntropy",
    "StandardizedMSE",
    "VectorShape",
]
