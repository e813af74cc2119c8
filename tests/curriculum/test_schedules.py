from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ckd_plugins.curriculum.schedules import Geometric, Linear, Root, Steps
from ckd_plugins.errors import ConfigError

starts = st.floats(0.01, 1.0)
untils = st.floats(0.01, 1.0)
schedules = st.one_of(
    st.builds(Linear, start=starts, until=untils),
    st.builds(Root, start=starts, until=untils, power=st.floats(1.0, 8.0)),
    st.builds(Geometric, start=starts, until=untils),
    st.builds(Steps, stages=st.lists(starts, min_size=1, max_size=5).map(sorted), until=untils),
)


@given(schedules, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_competence_never_falls_and_stays_in_range(schedule, one, other):
    """Guards against rows that go missing again, and against a competence of 0: nothing to train on."""
    early, late = sorted((one, other))
    assert 0 < schedule(early) <= schedule(late) + 1e-12 <= 1 + 1e-12


@example(Steps(stages=[0.5] * 5, until=0.42668292629161075))
@given(schedules)
def test_everything_is_there_at_the_end(schedule):
    """Guards against rows that are never trained on because of rounding just below 1."""
    assert schedule(schedule.until) == 1.0
    assert schedule(1.0) == 1.0


@pytest.mark.parametrize("kind", [Linear, Root, Geometric])
def test_competence_starts_at_start(kind):
    """Guards against a first epoch on all or on no rows."""
    assert kind(start=0.3)(0.0) == pytest.approx(0.3)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_equations(share):
    """Guards each schedule's form, halfway included."""
    c0, until = 0.2, 0.4
    t = share * until
    assert Linear(start=c0, until=until)(t) == pytest.approx(c0 + (1 - c0) * share)
    assert Root(start=c0, until=until)(t) == pytest.approx((share * (1 - c0**2) + c0**2) ** 0.5)
    assert Root(start=c0, until=until, power=3)(t) == pytest.approx((share * (1 - c0**3) + c0**3) ** (1 / 3))
    assert Geometric(start=c0, until=until)(t) == pytest.approx(c0 * (1 / c0) ** share)


def test_steps_last_equally_long():
    """Guards against a stage that is skipped or off by one."""
    steps = Steps(stages=[0.25, 0.5], until=0.8)
    assert [steps(t) for t in (0.0, 0.39, 0.4, 0.79, 0.8, 1.0)] == [0.25, 0.25, 0.5, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(start=0.0), "schedule linear: start"),
        (lambda: Root(until=0.0), "schedule root: until"),
        (lambda: Root(power=0.5), "schedule root: power"),
        (lambda: Geometric(start=1.5), "schedule geometric: start"),
        (lambda: Steps(stages=[0.5, 0.2]), "schedule steps: stages"),
        (lambda: Steps(stages=[]), "schedule steps: stages"),
        (lambda: Steps(until=2.0), "schedule steps: until"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    """Guards against an empty first epoch or a curriculum that never ends."""
    with pytest.raises(ConfigError, match=message):
        make()
