"""Small made-up batches for the parts of distillation: what breaks their contract is named before anything is trained.

Each takes a part fresh from its factory and raises :class:`~ckd_plugins.errors.PluginError` with a message that goes on
from the part's name: ``"gives weights that ..."``.
"""

from __future__ import annotations

from ckd_plugins.distillation.trials.balances import try_balance, try_ramp
from ckd_plugins.distillation.trials.candidates import require_source, try_candidates
from ckd_plugins.distillation.trials.integrators import try_integrator
from ckd_plugins.distillation.trials.losses import try_loss

__all__ = ["require_source", "try_balance", "try_candidates", "try_integrator", "try_loss", "try_ramp"]
