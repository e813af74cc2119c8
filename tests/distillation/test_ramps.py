"""The way of a number from one value to another."""

from __future__ import annotations

import inspect
import math

import pytest

from ckd_plugins.distillation import builtin
from ckd_plugins.distillation.ramps import Cosine, Hold, Linear, Ramp, Steps
from ckd_plugins.errors import ConfigError

SPECS = list(builtin.ckd_register_ramps())


def test_shapes_at_known_points():
    """A cosine of half the period would end at the wrong weight and come back."""
    shares = [0.0, 0.25, 0.5, 0.75, 1.0]
    root = math.sqrt(0.5)
    expected = {
        Linear(): shares,
        Cosine(): [0, (1 - root) / 2, 0.5, (1 + root) / 2, 1],
        Steps(count=2): [0, 0, 0.5, 0.5, 1],
        Hold(): [0, 0, 0, 0, 0],
    }
    for ramp, values in expected.items():
        assert [ramp(s) for s in shares] == pytest.approx(values, abs=1e-12)


@pytest.mark.parametrize("count", [1, 3, 49])
def test_a_step_is_taken_at_its_epoch(count):
    """Rounding: 49 * (1 / 49) is below 1, and the step would come an epoch late."""
    assert [round(Steps(count=count)(n / count) * count) for n in range(count + 1)] == list(range(count + 1))


def test_no_steps_are_refused():
    """A division by zero in the first epoch, after the teachers."""
    with pytest.raises(ConfigError, match="ramp steps: count must be 1 or more, not 0"):
        Steps(count=0)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_record_leads_to_a_ramp_that_never_falls(spec):
    """Guards against a reference that breaks when a file moves, and against a shape that leaves its ends."""
    assert spec.summary
    ramp = spec.load()()
    assert isinstance(ramp, Ramp)
    values = [ramp(n / 50) for n in range(51)]
    assert values[0] == 0
    assert values == sorted(values)
    assert max(values) <= 1
    assert all(o.annotation is not o.empty for o in inspect.signature(spec.load()).parameters.values())


def test_names():
    """Guards the names that configurations use."""
    assert [spec.name for spec in SPECS] == ["linear", "cosine", "steps", "hold"]
