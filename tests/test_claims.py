"""Two records with one name: the outcome never depends on the order of loading."""

from __future__ import annotations

import pytest

from ckd_plugins import LossSpec, PluginError, UnknownNameError
from ckd_plugins._admission import Record
from ckd_plugins._claims import Claims
from ckd_plugins._discovery import Origin

BUILTIN = Origin("ckd_plugins.distillation.builtin", "ckd-plugins", "0.1.0", builtin=True)
ONE, TWO = Origin("one", "one-dist", "1.0"), Origin("two", "two-dist", "2.0")


def loss(name, origin):
    return Record("loss", LossSpec(name=name, factory="m:f"), origin)


def claims(*records):
    made = Claims()
    for record in records:
        made.add(record)
    return made


@pytest.mark.parametrize("turned", [False, True])
def test_a_builtin_name_cannot_be_taken(turned):
    """An installed plugin could silently change what 'loss: kl' means in a published config."""
    records = [loss("kl", BUILTIN), loss("kl", ONE)]
    made = claims(*reversed(records) if turned else records)
    assert made.find("loss", "kl").origin is BUILTIN
    (problem,) = made.conflicts()
    assert problem.origin is ONE
    assert "a built-in name cannot be replaced" in str(problem)


@pytest.mark.parametrize("turned", [False, True])
def test_between_two_plugins_neither_wins_and_both_are_named(turned):
    """A rule of precedence would make a config's meaning depend on what else is installed."""
    records = [loss("tv", ONE), loss("tv", TWO)]
    made = claims(*reversed(records) if turned else records)
    assert made.used("loss") == []
    with pytest.raises(PluginError) as caught:
        made.find("loss", "tv")
    for part in ("'one' (one-dist 1.0)", "'two' (two-dist 2.0)", "CKD_DISABLE=one", "CKD_DISABLE=two"):
        assert part in str(caught.value)
    assert {problem.origin for problem in made.conflicts()} == {ONE, TWO}


def test_letter_case_does_not_make_a_new_name():
    """'KL' beside 'kl' would be a trap in every config."""
    made = claims(loss("kl", BUILTIN), loss("KL", ONE))
    assert [problem.origin for problem in made.conflicts()] == [ONE]


def test_names_are_case_sensitive_when_asked_for_with_a_hint():
    """Accepting any case would give one component many names in logs and cache keys."""
    with pytest.raises(UnknownNameError, match="unknown loss 'KL'; did you mean 'kl'"):
        claims(loss("kl", BUILTIN)).find("loss", "KL")


def test_kinds_do_not_clash():
    """A loss and a schedule may well share a name."""
    made = claims(loss("linear", ONE), Record("schedule", LossSpec(name="linear", factory="m:f"), TWO))
    assert not list(made.conflicts())


def test_a_rival_that_leaves_gives_the_name_back():
    """Unregistering a plugin in a notebook would leave the name dead."""
    made = claims(loss("tv", ONE), loss("tv", TWO))
    made.drop(TWO)
    assert made.find("loss", "tv").origin is ONE
    assert not list(made.conflicts())
