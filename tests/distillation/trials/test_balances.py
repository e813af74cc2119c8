"""A balance or a ramp that breaks its contract is named before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from ckd_plugins.distillation import Balance
from ckd_plugins.distillation.trials import try_balance, try_ramp
from ckd_plugins.errors import PluginError
from ckd_plugins.registry import Registry


class Shares(Balance):
    def __init__(self, *shares: Any) -> None:
        self.given = shares

    def shares(self) -> Any:
        return self.given


@pytest.mark.parametrize(
    ("balance", "says"),
    [
        (Shares(0.0, 1.0), "gives the shares (0.0, 1.0) in batch 0"),
        (Shares(1.0, float("nan")), "two numbers above 0 are asked for"),
        (Shares(1.0), "gives the shares (1.0,)"),
        (Shares("much", 1.0), "fails in batch 0: TypeError"),
        (object(), "is a object, not a ckd_plugins.distillation.Balance"),
    ],
)
def test_a_balance_that_shares_wrongly_is_told(balance: Any, says: str) -> None:
    """A share of 0 was a division by 0 in the first batch, after the teachers' hours."""
    with pytest.raises(PluginError) as caught:
        try_balance(balance)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("ramp", "says"),
    [
        (lambda share: float("nan"), "gives nan at 0 of its way"),
        (lambda share: 2 * share, "gives 1.2 at 0.6 of its way"),
        (lambda share: None, "fails at 0 of its way: TypeError"),
        (3, "is a int, not a"),
    ],
)
def test_a_ramp_that_leaves_its_way_is_told(ramp: Any, says: str) -> None:
    """'weight must be 0 or more, not nan' came in the second epoch and named no ramp."""
    with pytest.raises(PluginError) as caught:
        try_ramp(ramp)
    assert says in str(caught.value)


def test_what_the_package_has_passes() -> None:
    """A check that refuses what is right is worse than none."""
    registry = Registry(discover=False)
    for name in registry.names("balance"):
        try_balance(registry.get("balance", name).load()())
    for name in registry.names("ramp"):
        try_ramp(registry.get("ramp", name).load()())
