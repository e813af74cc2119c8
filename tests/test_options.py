"""Options are checked against the factory's signature before the factory runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import pytest

from ckd_plugins import ConfigError
from ckd_plugins._options import read_options

if TYPE_CHECKING:
    from decimal import Decimal


def factory(
    n: int,
    tau: float = 1.0,
    flag: bool = False,
    mode: Literal["mean", "sum"] = "mean",
    fields: tuple[str, ...] = (),
    limit: int | None = None,
    hidden: Decimal | None = None,
    anything: Any = None,
) -> None: ...


def check(**given):
    return read_options(factory).check("loss 'x'", given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"n": 1, "tua": 2},
            "unknown option 'tua' of loss 'x'; did you mean 'tau'? (options: n (required), tau=1.0, flag=False, "
            "mode='mean', fields=(), limit=None, hidden=None, anything=None)",
        ),
        ({"n": 1, "tau": "high"}, "option 'tau' of loss 'x' should be a valid number, got 'high'"),
        ({"n": 1, "tau": "2"}, "option 'tau' of loss 'x' should be a valid number, got '2'"),
        ({"n": 1, "tau": True}, "option 'tau' of loss 'x' should be a valid number, got True"),
        ({"n": 1.5}, "option 'n' of loss 'x' should be a valid integer, got 1.5"),
        ({"n": 1, "flag": "no"}, "option 'flag' of loss 'x' should be a valid boolean, got 'no'"),
        ({"n": 1, "mode": "max"}, "option 'mode' of loss 'x' should be 'mean' or 'sum', got 'max'"),
        ({"n": 1, "limit": "ten"}, "option 'limit' of loss 'x' should be a valid integer, got 'ten'"),
    ],
)
def test_a_wrong_option_is_one_line(given, message):
    """A misspelt or mistyped option would end in a TypeError from deep inside, or train something else."""
    with pytest.raises(ConfigError) as caught:
        check(**given)
    assert str(caught.value) == message


def test_a_name_inside_a_type_that_only_type_checkers_see_is_let_through():
    """It shows only when a value is checked, and that was a traceback; the factory knows better."""

    def takes(values: list["Decimal"]) -> None: ...  # noqa: UP037

    assert read_options(takes).check("loss 'x'", {"values": [1]}) == {"values": [1]}


def test_a_missing_required_option_is_named():
    """The factory's own TypeError would name a Python argument, not the setting."""
    with pytest.raises(ConfigError, match="loss 'x' needs the option 'n'"):
        check()


def test_values_become_what_the_factory_asks_for():
    """YAML has no tuples, and writes 2 for 2.0."""
    got = check(n=1, tau=2, fields=["a", "b"], limit=None)
    assert got == {"n": 1, "tau": 2.0, "fields": ("a", "b"), "limit": None}
    assert isinstance(got["tau"], float)


def test_a_type_that_only_a_checker_sees_hides_no_other():
    """typing.get_type_hints fails as a whole on one such name, and nothing would be checked."""
    options = read_options(factory)
    assert options.parameters["hidden"].annotation == "Decimal | None"
    assert options.parameters["tau"].annotation is float
    assert check(n=1, hidden="anything goes") == {"n": 1, "hidden": "anything goes"}


def test_what_the_host_fills_is_no_option():
    """A user could otherwise override the number of items or the cache folder by accident."""
    options = read_options(lambda n_items, tau=1.0: None)
    assert options.check("x", {"tau": 2}, host={"n_items"}) == {"tau": 2}
    with pytest.raises(ConfigError, match=r"unknown option 'n_items' of x \(options: tau=1.0\)"):
        options.check("x", {"n_items": 3}, host={"n_items"})


def test_a_subclass_that_passes_kwargs_on_takes_its_bases_options():
    """The options of a base class would look unknown."""

    class Base:
        def __init__(self, dim: int = 64): ...

    class Sub(Base):
        def __init__(self, depth: int = 2, **kwargs): ...

    assert read_options(Sub).describe() == "depth=2, dim=64"
    assert not read_options(Sub).open_ended


def test_a_factory_with_kwargs_takes_anything():
    """Only the factory can know what it does with them."""
    assert read_options(lambda **kw: None).check("x", {"a": 1}) == {"a": 1}


def test_a_class_without_constructor_takes_nothing():
    """The (*args, **kwargs) of object is no invitation."""

    class Plain: ...

    with pytest.raises(ConfigError, match=r"unknown option 'a' of x \(options: none\)"):
        read_options(Plain).check("x", {"a": 1})


def test_a_torch_module_without_constructor_takes_nothing():
    """torch.nn.Module has **kwargs in its signature and raises on every one."""
    from torch import nn

    class Mine(nn.Module): ...

    with pytest.raises(ConfigError, match="unknown option 'a'"):
        read_options(Mine).check("x", {"a": 1})


def test_a_type_that_yaml_cannot_spell_is_left_to_the_factory():
    """A parameter of a class of the plugin's own must not make the option unusable."""

    class Own: ...

    def takes(own: Own | None = None, names: Sequence[str] = ()): ...

    takes.__annotations__["own"] = Own
    value = Own()
    assert read_options(takes).check("x", {"own": value, "names": ["a"]}) == {"own": value, "names": ["a"]}


def test_reading_options_needs_no_pydantic():
    """`ckd plugins check` and completion stay fast."""
    code = (
        "import sys; from ckd_plugins._options import read_options;"
        "read_options(lambda a=1: 0); print('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
