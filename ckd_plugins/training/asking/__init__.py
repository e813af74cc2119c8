"""Who asks a teacher: this process, several processes of this machine, those of ``torchrun``, or a Ray cluster."""

from __future__ import annotations

from ckd_plugins.training.asking.cluster import RayCluster
from ckd_plugins.training.asking.crew import Crew, ThisProcess
from ckd_plugins.training.asking.job import Job
from ckd_plugins.training.asking.ranks import Ranks
from ckd_plugins.training.asking.workers import Workers

__all__ = ["Crew", "Job", "Ranks", "RayCluster", "ThisProcess", "Workers"]
