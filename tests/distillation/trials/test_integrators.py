"""An integrator or a loss that breaks its contract is named before anything is trained, with what it gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ckd_plugins.distillation import Integrator, Loss, Opinions, Target
from ckd_plugins.distillation.integrators import FixedIntegrator
from ckd_plugins.distillation.trials import try_integrator, try_loss
from ckd_plugins.errors import ConfigError, PluginError
from ckd_plugins.registry import Registry

TEACHERS = ("a", "b", "c")


class Weighs(Integrator):
    """Weighs as a function of the opinions says."""

    def __init__(self, weigh: Any) -> None:
        super().__init__()
        self.said = weigh

    def weigh(self, opinions: Opinions) -> Any:
        return self.said(opinions)


class Gives(Loss):
    """Gives what a function of the student's scores says."""

    def __init__(self, terms: Any) -> None:
        super().__init__()
        self.said = terms

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> Any:
        return self.said(student)


def fair(opinions: Opinions) -> Tensor:
    known = opinions.known.float()
    return known / known.sum(dim=0).clamp_min(1)


def ones(opinions: Opinions) -> Tensor:
    return torch.ones(opinions.known.shape[1])


@pytest.mark.parametrize(
    ("weigh", "says"),
    [
        (lambda o: (torch.ones_like(fair(o)), ones(o)), "weight to a teacher that does not know the row"),
        (lambda o: (2 * fair(o), ones(o)), "weights that sum to 2, not 1"),
        (lambda o: (fair(o) - 0.5, ones(o)), "gives weights below 0"),
        (lambda o: (fair(o).T, ones(o)), "fails on 6 rows, 200 candidates and 3 teachers: RuntimeError"),
        (lambda o: fair(o), "fails on 6 rows, 200 candidates and 3 teachers: ValueError"),
        (lambda o: (fair(o) * torch.nan, ones(o)), "weights that are not all finite"),
        (lambda o: (fair(o), ones(o) / 0), "a gate that are not all finite"),
        (lambda o: (fair(o), -ones(o)), "a gate below 0"),
        (lambda o: (fair(o), ones(o)[:, None]), "a gate of shape (6, 6)"),
    ],
)
def test_an_integrator_that_weighs_wrongly_is_told(weigh: Any, says: str) -> None:
    """Weights of 1 for all pooled to a 'distribution' of mass 2, and the run looked like any other."""
    with pytest.raises(PluginError) as caught:
        try_integrator(Weighs(weigh), TEACHERS)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (lambda s: {"x": s.detach().sum(dim=1)}, "gives the student no gradient"),
        (lambda s: {"x": torch.zeros(len(s), requires_grad=True)}, "gives the student no gradient"),
        (lambda s: {"x": s.sum()}, "the term 'x' of shape ()"),
        (lambda s: s.sum(dim=1), "gives a Tensor; a dict of named terms"),
        (lambda s: {}, "gives a dict; a dict of named terms"),
        (lambda s: {"x": s.sum(dim=1) / 0}, "a term 'x' that is not finite"),
        (lambda s: {"x": (s - s).sum(dim=1).sqrt()}, "a gradient that is not finite"),
        (lambda s: 1 / 0, "fails on scores (6, 200): ZeroDivisionError"),
    ],
)
def test_a_loss_that_gives_something_else_is_told(terms: Any, says: str) -> None:
    """A detached loss trained a plain student under the name of a distilled one."""
    with pytest.raises(PluginError) as caught:
        try_loss(Gives(terms))
    assert says in str(caught.value)


@pytest.mark.parametrize("part", [object(), None, torch.nn.Linear(2, 2)])
def test_a_factory_that_makes_something_else_is_told(part: Any) -> None:
    """Anything with a forward would have been called, and have failed somewhere inside."""
    with pytest.raises(PluginError, match=r"not a ckd_plugins\.distillation\.Loss"):
        try_loss(part)
    with pytest.raises(PluginError, match=r"not a ckd_plugins\.distillation\.integrators\.Integrator"):
        try_integrator(part, TEACHERS)


@pytest.mark.parametrize("teachers", [("one",), ("a", "b"), TEACHERS])
def test_what_the_package_has_passes(teachers: tuple[str, ...]) -> None:
    """A check that refuses what is right is worse than none: every built-in part, and any number of teachers."""
    registry = Registry(discover=False)
    before = torch.random.get_rng_state()
    for name in registry.names("loss"):
        try_loss(registry.get("loss", name).load()())
    for name in registry.names("integrator"):
        options = {"weights": [1.0, *[0.0] * (len(teachers) - 1)]} if name == "fixed" else {}
        with torch.random.fork_rng(devices=[]):
            integrator = registry.get("integrator", name).load()(**options)
        try_integrator(integrator, teachers)
    assert torch.equal(before, torch.random.get_rng_state())


def test_its_own_refusals_come_through() -> None:
    """Weights for two teachers where three are named is the user's mistake, not the plugin's."""
    with pytest.raises(ConfigError, match="2 weights for 3 teachers"):
        try_integrator(FixedIntegrator(weights=[1, 2]), TEACHERS)
