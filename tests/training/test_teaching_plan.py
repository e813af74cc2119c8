"""How two teachers are told apart."""

from __future__ import annotations

import pytest

from ckd_plugins.training.teaching.plan import first_difference


@pytest.mark.parametrize(
    ("kept", "wanted", "told"),
    [
        ({"seed": 1}, {"seed": 1}, None),
        ({"seed": 1}, {"seed": 2}, "seed is 1 and this one needs 2"),
        ({"options": {"k": 1}}, {"options": {"k": 2}}, "option k is 1 and this one needs 2"),
        ({"options": {"k": 1, "old": 3}}, {"options": {"k": 1}}, "option old is 3 and this one needs None"),
    ],
)
def test_what_differs_is_named(kept: dict[str, object], wanted: dict[str, object], told: str | None) -> None:
    """An option that only the kept teacher has was told as 'option None'."""
    assert first_difference(kept, wanted) == told
