"""From teachers' and student's scores to one loss.

A :class:`CandidateSource` chooses the items, an :class:`Integrator` joins the teachers into one :class:`Target`, a
:class:`Loss` compares the student with it, and the :class:`Objective` ties them together. A :class:`Balance` says how
much that counts beside the student's own loss, a :class:`Ramp` how its weight changes over the epochs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ckd_plugins.distillation.balances import Balance
    from ckd_plugins.distillation.candidates import Candidates, CandidateSource
    from ckd_plugins.distillation.integrators import Integrator, Opinions
    from ckd_plugins.distillation.losses import Loss
    from ckd_plugins.distillation.numerics import masked_log_softmax
    from ckd_plugins.distillation.objective import Objective
    from ckd_plugins.distillation.output import ObjectiveOutput
    from ckd_plugins.distillation.ramps import Ramp
    from ckd_plugins.distillation.target import Target

__all__ = [
    "Balance",
    "CandidateSource",
    "Candidates",
    "Integrator",
    "Loss",
    "Objective",
    "ObjectiveOutput",
    "Opinions",
    "Ramp",
    "Target",
    "masked_log_softmax",
]

_HOME = {
    "Balance": "balances",
    "CandidateSource": "candidates",
    "Candidates": "candidates",
    "Integrator": "integrators",
    "Loss": "losses",
    "Objective": "objective",
    "ObjectiveOutput": "output",
    "Opinions": "integrators",
    "Ramp": "ramps",
    "Target": "target",
    "masked_log_softmax": "numerics",
}


def __getattr__(name: str) -> Any:
    # Lazy, because everything here imports torch and the command line must start without it.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
