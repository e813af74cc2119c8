"""Parts of a distillation that are wrong are told before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins import (
    BalanceSpec,
    CandidatesSpec,
    DifficultySpec,
    IntegratorSpec,
    LossSpec,
    RampSpec,
    ScheduleSpec,
)
from ckd_plugins.config import CkdConfig
from ckd_plugins.distillation import Candidates, CandidateSource, Integrator, Loss
from ckd_plugins.errors import CkdError, ConfigError, PluginError, UnknownNameError
from ckd_plugins.registry import Registry
from ckd_plugins.training.parts import check_parts
from ckd_plugins.training.student import check_candidates

PARTS: list[tuple[str, dict[str, Any], type[CkdError], str]] = [
    ("loss", {"loss": "kll"}, UnknownNameError, "unknown loss 'kll'; did you mean 'kl'"),
    ("candidates", {"candidates": {"name": "in_batch", "limit": 1}}, ConfigError, "limit must be 2 or more"),
    ("popular", {"candidates": {"name": "popular", "alpha": -0.5}}, ConfigError, "alpha must be 0 or more"),
    ("pairwise", {"loss": {"name": "pairwise", "top": 0}}, ConfigError, "top must be 1 or more"),
    (
        "gate",
        {"integrator": "learned", "targets": "once"},
        ConfigError,
        "'learned' learns, or changes from epoch to epoch; set ckd.targets",
    ),
    ("integrator", {"integrator": {"name": "uniform", "x": 1}}, ConfigError, "unknown option 'x' of integrator"),
    (
        "schedule",
        {"curriculum": {"schedule": "rooot"}},
        UnknownNameError,
        "unknown schedule 'rooot'; did you mean 'root'",
    ),
    ("difficulty", {"curriculum": {"difficulty": "hard"}}, UnknownNameError, "unknown difficulty 'hard'"),
    ("twice", {"teachers": ["unisrec", "unisrec"]}, ConfigError, "'unisrec' is named twice"),
    ("nothing to soften", {"loss": "mse", "temperature": 3.0}, ConfigError, "is 3, and loss 'mse' has no temperature"),
]


@pytest.mark.parametrize(("what", "section", "kind", "message"), PARTS, ids=[p[0] for p in PARTS])
def test_wrong_parts_are_told_before_anything_runs(
    registry: Registry, what: str, section: dict[str, Any], kind: type[CkdError], message: str
) -> None:
    """They are built after the teachers: a typo would cost the teachers' training first."""
    with pytest.raises(kind, match=message):
        check_parts(CkdConfig.parse({"teachers": ["unisrec"], **section}), registry)


def test_a_plugins_part_that_breaks_its_contract_is_named_with_its_plugin(
    tmp_plugin: Callable[..., Any], ckd_manager: Registry
) -> None:
    """A detached loss trained a plain student that was called distilled; wrong weights trained on without a word."""

    class Detached(Loss):
        def forward(self, student: Any, target: Any, mask: Any = None) -> dict[str, Any]:
            return {"x": student.detach().sum(dim=1)}

    class Ones(Integrator):
        def weigh(self, opinions: Any) -> tuple[Any, Any]:
            return torch.ones_like(opinions.confidence), opinions.confidence[0]

    def ckd_register_losses() -> list[LossSpec]:
        return [LossSpec(name="detached", factory=Detached, summary="s")]

    def ckd_register_integrators() -> list[IntegratorSpec]:
        return [IntegratorSpec(name="ones", factory=Ones, summary="s")]

    tmp_plugin(ckd_register_losses, ckd_register_integrators)
    for kind, chosen, says in (
        ("loss", "detached", "gives the student no gradient"),
        ("integrator", "ones", "weight to a teacher that does not know the row"),
    ):
        with pytest.raises(PluginError, match=f"{kind} '{chosen}' of plugin 'tmp_plugin_1' gives.*") as caught:
            check_parts(CkdConfig.parse({"teachers": ["unisrec", "vqrec"], kind: chosen}), ckd_manager)
        assert says in str(caught.value)


def unequal(*, sure: bool = True) -> Any:
    return SimpleNamespace(shares=lambda: (0.0, 1.0))


def falling(*, until: float = 1.0) -> Callable[[float], float]:
    return lambda progress: 1 - progress


def astray() -> Callable[[float], float]:
    return lambda share: 2.0


def measure(evidence: Any, /, *, own: bool = False) -> Any:
    return np.zeros(3 if own else len(evidence))


TRIED: list[tuple[str, str, Any, dict[str, Any], str]] = [
    ("balance", "balances", BalanceSpec(name="x", factory=unequal), {"balance": "x"}, "is a SimpleNamespace, not a"),
    ("schedule", "schedules", ScheduleSpec(name="x", factory=falling), {"curriculum": {"schedule": "x"}}, "falls"),
    (
        "ramp",
        "ramps",
        RampSpec(name="x", factory=astray),
        {"weight": {"name": "x", "from": 0, "to": 1, "epochs": 3}},
        "gives 2 at 0 of its way",
    ),
    (
        "difficulty",
        "difficulties",
        DifficultySpec(name="x", factory=measure),
        {"curriculum": {"difficulty": {"x": {"weight": 1, "own": True}}}},
        r"gives an array \(3,\) for 12 rows",
    ),
]


@pytest.mark.parametrize(("kind", "hook", "spec", "section", "says"), TRIED, ids=[case[0] for case in TRIED])
def test_every_kind_of_part_is_tried(
    tmp_plugin: Callable[..., Any], ckd_manager: Registry, kind: str, hook: str, spec: Any, section: Any, says: str
) -> None:
    """They failed with a traceback in the first batch, or not at all, and after the teachers' training."""

    def register() -> list[Any]:
        return [spec]

    register.__name__ = f"ckd_register_{hook}"
    tmp_plugin(register)
    with pytest.raises(PluginError, match=f"{kind} 'x' of plugin 'tmp_plugin_1' {says}"):
        check_parts(CkdConfig.parse({"teachers": ["unisrec"], **section}), ckd_manager)


def test_a_loss_may_ask_for_its_temperature(tmp_plugin: Callable[..., Any], ckd_manager: Registry) -> None:
    """'needs the option tau', of a setting that the run itself fills in."""

    class Warm(Loss):
        def __init__(self, *, tau: float) -> None:
            super().__init__()
            self._inverse = 1 / tau

        def forward(self, student: Any, target: Any, mask: Any = None) -> dict[str, Any]:
            return {"x": (student * self._inverse).square().mean(dim=1)}

    def ckd_register_losses() -> list[LossSpec]:
        return [LossSpec(name="warm", factory=Warm, summary="s")]

    tmp_plugin(ckd_register_losses)
    check_parts(CkdConfig.parse({"teachers": ["unisrec"], "loss": "warm", "temperature": 2.0}), ckd_manager)


def test_a_student_that_is_not_distilled_loses_nothing_to_go_by(
    tmp_plugin: Callable[..., Any], ckd_manager: Registry
) -> None:
    """All rows stayed unmet, and the curriculum was a random one; or the plugin was blamed for what was not given."""

    def ckd_register_difficulties() -> list[DifficultySpec]:
        return [DifficultySpec(name="own_loss", factory=lambda evidence: evidence.student_loss, changes=True)]

    tmp_plugin(ckd_register_difficulties)
    for name in ("own_loss", "student_loss"):
        curriculum = {"difficulty": name}
        with pytest.raises(ConfigError, match=f"'{name}' asks at least 1 of the teachers and 0 are named"):
            check_parts(CkdConfig.parse({"curriculum": curriculum}), ckd_manager)
        with pytest.raises(ConfigError, match=rf"'{name}' goes by .* and ckd\.weight is 0"):
            check_parts(CkdConfig.parse({"teachers": ["unisrec"], "curriculum": curriculum, "weight": 0}), ckd_manager)


class Beyond(CandidateSource):
    def __init__(self, *, seed: int = 0) -> None:
        self.n_items = 0

    def bind(self, n_items: int, popularity: Any) -> None:
        self.n_items = n_items

    def choose(self, rows: Any, targets: Any) -> Candidates:
        return Candidates(torch.arange(1, self.n_items + 2), targets - 1)


def no_source(*, seed: int = 0) -> int:
    return seed


@pytest.mark.parametrize(
    ("factory", "says"),
    [(Beyond, "gives item 61; ids are 1 to 60"), (no_source, "is a int, not a")],
    ids=["ids", "int"],
)
def test_a_plugins_candidates_are_tried_on_the_data(
    prepare: Any, tmp_plugin: Callable[..., Any], ckd_manager: Registry, factory: Any, says: str
) -> None:
    """An id beyond the catalogue was an IndexError in torch, after the teachers' training."""

    def ckd_register_candidates() -> list[CandidatesSpec]:
        return [CandidatesSpec(name="x", factory=factory)]

    tmp_plugin(ckd_register_candidates)
    config = CkdConfig.parse({"teachers": ["unisrec"], "candidates": "x"})
    with pytest.raises(PluginError, match=f"candidates 'x' of plugin 'tmp_plugin_1' {says}"):
        check_candidates(prepare("SASRec").material, config, ckd_manager)
