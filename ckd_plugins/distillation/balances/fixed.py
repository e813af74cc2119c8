"""Balance: none."""

from __future__ import annotations

from ckd_plugins.distillation.balances.base import Balance

__all__ = ["FixedBalance"]


class FixedBalance(Balance):
    r"""The default: :math:`a = b = 1`. ``ckd.weight`` is the weight, a number or a schedule."""

    def shares(self) -> tuple[float, float]:
        """1 and 1."""
        return 1.0, 1.0
