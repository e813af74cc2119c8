"""For authors of plugins: pytest fixtures (:mod:`ckd_plugins.testing.plugin`) and distributions made on the fly."""

from __future__ import annotations

from ckd_plugins.testing.distributions import write_distribution

__all__ = ["write_distribution"]
