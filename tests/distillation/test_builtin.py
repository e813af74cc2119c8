from __future__ import annotations

import inspect

import pytest

from ckd_plugins.distillation import builtin
from ckd_plugins.distillation.balances import Balance
from ckd_plugins.distillation.candidates import CandidateSource
from ckd_plugins.distillation.integrators import Integrator
from ckd_plugins.distillation.losses import Loss

REGISTERED = {
    Balance: builtin.ckd_register_balances,
    CandidateSource: builtin.ckd_register_candidates,
    Integrator: builtin.ckd_register_integrators,
    Loss: builtin.ckd_register_losses,
}
SPECS = [(kind, spec) for kind, hook in REGISTERED.items() for spec in hook()]


def test_names():
    """Guards the names that configurations use."""
    names = {kind: [spec.name for k, spec in SPECS if k is kind] for kind in REGISTERED}
    assert names[Balance] == ["fixed", "gradient_norm", "uncertainty"]
    assert names[CandidateSource] == ["in_batch", "uniform", "popular", "teachers_top", "full"]
    assert names[Integrator] == [
        *("confidence_consistency", "confidence", "consistency", "entropy", "best", "learned", "uniform", "fixed"),
    ]
    assert names[Loss] == [
        *("kl", "reverse_kl", "js", "mse", "cross_entropy", "listwise", "pairwise", "feature_regression"),
    ]


@pytest.mark.parametrize(("kind", "spec"), SPECS, ids=lambda value: getattr(value, "name", ""))
def test_every_record_leads_to_its_class(kind, spec):
    """Guards against a reference that breaks when a file moves, and against listings without a summary."""
    assert issubclass(spec.load(), kind)
    assert spec.summary


@pytest.mark.parametrize(("kind", "spec"), SPECS, ids=lambda value: getattr(value, "name", ""))
def test_options_are_typed_keywords(kind, spec):
    """Guards the configuration, which is checked against the factory's signature."""
    for parameter in list(inspect.signature(spec.load()).parameters.values()):
        assert parameter.kind is parameter.KEYWORD_ONLY, parameter
        assert parameter.annotation is not parameter.empty, parameter
