"""pydantic's findings become one line in the words of a config file."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ckd_plugins._config_errors import config_error


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner | None = None
    many: list[Inner] = Field(default_factory=list)
    shape: tuple[int, ...] = ()


def told(**given):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(given)
    return str(config_error(caught.value, Outer, "top"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"iner": 1}, "unknown setting 'top.iner'; did you mean 'inner'? (known: inner, many, shape)"),
        (
            {"inner": {"dept": 1}},
            "unknown setting 'top.inner.dept'; did you mean 'depth'? (known: depth)",
        ),
        (
            {"many": [{}, {"dept": 1}]},
            "unknown setting 'top.many[1].dept'; did you mean 'depth'? (known: depth)",
        ),
        ({"many": [{}, 3]}, "setting 'top.many[1]' should be a mapping, got 3"),
        ({"shape": "x"}, "setting 'top.shape' should be a list, got 'x'"),
        (
            {"shape": [1, "x"], "iner": 2},
            "unknown setting 'top.iner'; did you mean 'inner'? (known: inner, many, shape)",
        ),
    ],
)
def test_place_reason_and_nearest_are_told(given, message):
    """Pydantic's own text has several lines, Python's type names and a link."""
    text = told(**given)
    assert text.startswith(message)
    assert "\n" not in text


def test_further_faults_are_named():
    """Mending one at a time, with a run for each, is tedious."""
    assert told(iner=1, shape="x", many=2).endswith("; also wrong: 'top.many', 'top.shape'")
