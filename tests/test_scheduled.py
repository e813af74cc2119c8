"""Settings that are a number or a schedule of one."""

from __future__ import annotations

import pytest

from ckd_plugins import RampSpec, hookimpl
from ckd_plugins._scheduled import over_epochs
from ckd_plugins.config import CkdConfig, Scheduled
from ckd_plugins.errors import ConfigError, UnknownNameError
from ckd_plugins.registry import Registry

GROWS = {"name": "linear", "from": 0, "to": 4, "epochs": 10}


@pytest.fixture(scope="module")
def registry():
    return Registry(discover=False)


def test_a_number_stays_a_number(registry):
    """Every published config has one; result.json and the cache's keys must not change."""
    config = CkdConfig.parse({"weight": 2, "temperature": 0.5})
    assert (config.weight, config.temperature) == (2.0, 0.5)
    assert config.model_dump(mode="json")["weight"] == 2.0
    assert [over_epochs(config.weight, registry)(epoch) for epoch in (0, 1, 99)] == [2.0, 2.0, 2.0]


def test_a_schedule_comes_back_as_it_was_written():
    """A run is repeated from the config in its result.json."""
    given = {**GROWS, "name": "steps", "count": 4}
    config = CkdConfig.parse({"weight": given})
    assert isinstance(config.weight, Scheduled)
    assert config.model_dump(mode="json")["weight"] == given
    assert CkdConfig.parse(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (GROWS, [0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8, 3.2, 3.6, 4, 4]),
        ({"name": "linear", "from": 3, "to": 1, "epochs": 4}, [3, 2.5, 2, 1.5, 1, 1]),
        ({"name": "hold", "from": 0, "to": 2, "epochs": 3}, [0, 0, 0, 2, 2]),
        ({"name": "steps", "from": 1, "to": 3, "epochs": 4, "count": 2}, [1, 1, 2, 2, 3, 3]),
        ({"name": "cosine", "from": 0, "to": 1, "epochs": 2}, [0, 0.5, 1, 1]),
    ],
)
def test_values_by_epoch(registry, given, values):
    """Counted from 0: one off, and a warm-up is an epoch longer than it says."""
    value = over_epochs(CkdConfig.parse({"weight": given}).weight, registry)
    assert [value(epoch) for epoch in range(len(values))] == pytest.approx(values)


class Wild:
    @hookimpl
    def ckd_register_ramps(self):
        yield RampSpec(name="wild", factory=lambda: lambda share: 0.3)


def test_a_plugins_ramp_meets_the_ends():
    """Weight 0 switches distillation off; 1e-17, which rounding leaves, does not."""
    registry = Registry(discover=False)
    registry.register(Wild(), "wild")
    config = CkdConfig.parse({"weight": {"name": "wild", "from": 0, "to": 1, "epochs": 2}})
    assert [over_epochs(config.weight, registry)(epoch) for epoch in range(4)] == [0, 0.3, 1, 1]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"weight": {**GROWS, "from": -1}}, "setting 'ckd.weight' should be greater than or equal to 0, got -1.0"),
        ({"temperature": GROWS}, "setting 'ckd.temperature' should be greater than 0, got 0.0"),
        ({"weight": {**GROWS, "to": "high"}}, "setting 'ckd.weight.to' should be a valid number, got 'high'"),
        ({"weight": {**GROWS, "epochs": 0}}, "setting 'ckd.weight.epochs' should be greater than or equal to 1, got 0"),
    ],
)
def test_a_wrong_end_is_one_exact_line(section, message):
    """A temperature of 0 in epoch 7 would end a night's run."""
    with pytest.raises(ConfigError) as caught:
        CkdConfig.parse(section)
    assert str(caught.value) == message


def test_what_is_missing_is_named():
    """The four words are not guessed from pydantic's list of union members."""
    with pytest.raises(ConfigError, match=r"'ckd.weight' lacks 'from': a schedule of a number reads \{name: linear"):
        CkdConfig.parse({"weight": {"name": "linear", "to": 4, "epochs": 3}})


def test_names_and_options_are_checked(registry):
    """A misspelt ramp would otherwise show after the teachers."""
    with pytest.raises(UnknownNameError, match="ramp 'linaer'"):
        over_epochs(CkdConfig.parse({"weight": {**GROWS, "name": "linaer"}}).weight, registry)
    with pytest.raises(ConfigError, match="unknown option 'cuont' of ramp 'steps'"):
        over_epochs(CkdConfig.parse({"weight": {**GROWS, "name": "steps", "cuont": 2}}).weight, registry)
