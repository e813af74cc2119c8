"""Integrator: weights given by hand."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ckd_plugins.distillation.integrators.base import Integrator, Opinions
from ckd_plugins.errors import ConfigError

__all__ = ["FixedIntegrator"]


class FixedIntegrator(Integrator):
    r""":math:`w_u^k = c_k / \sum_{m\ \mathrm{known}} c_m` for given :math:`c`; every instance weighs the same.

    A row that only teachers with :math:`c = 0` know is not distilled.

    Args:
        weights: one for each teacher, in the teachers' order; not negative, some above 0, on any scale.

    Raises:
        ConfigError: the weights are negative or all 0, or (when bound) not as many as the teachers.
    """

    def __init__(self, *, weights: Sequence[float]) -> None:
        super().__init__()
        self.weights = tuple(float(w) for w in weights)
        if not all(0 <= w < float("inf") for w in self.weights) or not sum(self.weights) > 0:
            raise ConfigError(f"integrator fixed: weights must be 0 or more, and one above 0, not {list(weights)}")

    def bind(self, teachers: Sequence[str]) -> None:
        """Check that there is one weight for each teacher."""
        if len(teachers) != len(self.weights):
            raise ConfigError(
                f"integrator fixed: {len(self.weights)} weights for {len(teachers)} teachers ({', '.join(teachers)}); "
                "give one for each, in this order"
            )

    def weigh(self, opinions: Opinions) -> tuple[Tensor, Tensor]:
        """Given weights, renormalised over the teachers that know the row."""
        given = opinions.log_probs.new_tensor(self.weights).unsqueeze(-1)
        known = given * opinions.known
        total = known.sum(dim=0)
        trusted = total > 0
        return known / total.masked_fill(~trusted, 1.0), trusted.to(known.dtype)
