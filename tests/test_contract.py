"""`ckd plugins check` finds what start-up cannot see without importing everything."""

from __future__ import annotations

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
    StudentSpec,
)
from ckd_plugins._contract import check_plugin
from ckd_plugins.distillation import Candidates, CandidateSource
from ckd_plugins.distillation.integrators import FixedIntegrator
from ckd_plugins.distillation.losses import KLDivergence


def untyped(tau=1.0):
    return KLDivergence(tau=tau)


def typed(tau: float = 1.0):
    return KLDivergence(tau=tau)


def detached(tau: float = 1.0):
    loss = KLDivergence(tau=tau)
    loss.forward = lambda student, target, mask=None: {"kl": student.detach().sum(dim=1)}
    return loss


def wanting(tau: float):
    raise AssertionError("called without its option")


def raising(tau: float = 1.0):
    raise RuntimeError("no weights file")


NOT_CALLABLE = 3


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (LossSpec(name="x", factory=typed, summary="fine"), None),
        (LossSpec(name="x", factory="not_installed_anywhere:X", summary="s"), "cannot be loaded: ModuleNotFoundError"),
        (LossSpec(name="x", factory="ckd_plugins.errors:Nothing", summary="s"), "cannot be loaded: AttributeError"),
        (LossSpec(name="x", factory="ckd_plugins.hookspecs:PROJECT", summary="s"), "is a str, which cannot be called"),
        (LossSpec(name="x", factory=untyped, summary="s"), "option 'tau' has no type"),
        (LossSpec(name="x", factory=typed), "it has no summary"),
        (LossSpec(name="x", factory=detached, summary="s"), "gives the student no gradient"),
        (LossSpec(name="x", factory=wanting, summary="s"), None),
        (
            LossSpec(name="x", factory=raising, summary="s"),
            "cannot be built with its defaults: RuntimeError: no weights",
        ),
        (IntegratorSpec(name="x", factory=typed, summary="s"), "is a KLDivergence, not a"),
    ],
)
def test_each_broken_promise_is_one_line(tmp_plugin, ckd_manager, spec, says):
    """A reference to code that does not exist shows only when a user asks for that very component."""
    hook = "ckd_register_losses" if isinstance(spec, LossSpec) else "ckd_register_integrators"
    tmp_plugin(named(hook, lambda: [spec]))
    (row,) = [row for row in ckd_manager.plugins() if row.name.startswith("tmp_plugin")]
    findings = check_plugin(ckd_manager, row)
    assert len(findings) == (says is not None)
    if says is not None:
        assert findings[0].startswith(("loss 'x': ", "integrator 'x': "))
        assert says in findings[0]


class Twice(CandidateSource):
    def choose(self, rows, targets):
        return Candidates(targets[:, None].repeat(1, 2), torch.zeros_like(targets))


@pytest.mark.parametrize(
    ("hook", "spec", "says"),
    [
        ("candidates", CandidatesSpec(name="x", factory=Twice, summary="s"), "the same item twice"),
        (
            "candidates",
            CandidatesSpec(name="x", factory="ckd_plugins.distillation.candidates:InBatch", summary="s"),
            "",
        ),
        ("candidates", CandidatesSpec(name="x", factory=typed, summary="s"), "is a KLDivergence, not a"),
        ("balances", BalanceSpec(name="x", factory=typed, summary="s"), "is a KLDivergence, not a"),
        ("schedules", ScheduleSpec(name="x", factory=lambda: lambda progress: 0.5, summary="s"), "ends at 0.5"),
        ("ramps", RampSpec(name="x", factory=lambda: lambda share: -1.0, summary="s"), "gives -1 at 0"),
        ("difficulties", DifficultySpec(name="x", factory=lambda evidence: 1.0, summary="s"), "gives an array ()"),
        ("difficulties", DifficultySpec(name="x", factory=lambda evidence: evidence.targets, summary="s"), ""),
        ("integrators", IntegratorSpec(name="x", factory=lambda: FixedIntegrator(weights=[1, 1, 1]), summary="s"), ""),
    ],
)
def test_every_kind_is_tried(tmp_plugin, ckd_manager, hook, spec, says):
    """Half of the kinds passed whatever they did; and made-up teachers of another number are no fault of a plugin."""
    tmp_plugin(named(f"ckd_register_{hook}", lambda: [spec]))
    (row,) = [row for row in ckd_manager.plugins() if row.name.startswith("tmp_plugin")]
    findings = check_plugin(ckd_manager, row)
    assert len(findings) == bool(says)
    assert says in "".join(findings)


def test_a_student_takes_what_recbole_gives(tmp_plugin, ckd_manager):
    """RecBole's models have untyped constructors (config, dataset); that is no fault of the plugin."""
    spec = StudentSpec(name="Mine", factory=untyped, family="general", summary="s")
    tmp_plugin(named("ckd_register_students", lambda: [spec]))
    (row,) = [row for row in ckd_manager.plugins() if row.name.startswith("tmp_plugin")]
    assert check_plugin(ckd_manager, row) == []


def test_a_broken_plugin_is_reported_with_its_fault(plugin_site):
    """A plugin of which nothing loaded has no records to check; silence would look like health."""
    from ckd_plugins.registry import Registry

    plugin_site("bad", modules={"bad_m": "raise ValueError('no')"}, entry_points={"bad": "bad_m"})
    registry = Registry(builtins=())
    (row,) = [row for row in registry.plugins() if row.name == "bad"]
    assert check_plugin(registry, row) == ["import of 'bad_m' failed: ValueError: no"]


def named(name, function):
    function.__name__ = name
    return function
