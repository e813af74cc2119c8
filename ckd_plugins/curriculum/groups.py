"""Rows that are drawn group by group: domains, whose sizes a temperature levels."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ckd_plugins.curriculum.evidence import Floats, Ints

__all__ = ["Groups", "quotas", "shares"]


def shares(sizes: npt.ArrayLike, temperature: float) -> Floats:
    r"""Return each group's share of the draws, :math:`p_g = n_g^{1/T} / \sum_h n_h^{1/T}`; an empty group has none.

    Source: Arivazhagan et al., "Massively multilingual neural machine translation in the wild" (2019), section 4.2.

    Args:
        sizes: ``[G]`` rows of each group.
        temperature: T > 0. 1 leaves the sizes as they are; the larger, the more equal.
    """
    n = np.asarray(sizes, dtype=np.float64)
    with np.errstate(divide="ignore"):
        power = np.log(n) / temperature
    weight = np.exp(power - power.max())
    found: Floats = weight / weight.sum()
    return found


def quotas(share: Floats, total: int) -> Ints:
    """Part ``total`` draws by shares into whole numbers; the largest remainders are rounded up.

    Args:
        share: ``[G]``, of sum 1.
        total: number of draws.

    Returns:
        ``int64 [G]`` of sum ``total``.
    """
    exact = share * total
    whole = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(whole - exact, kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return whole


class Groups:
    """Rows by group, the easiest first.

    Args:
        groups: ``[R]`` each row's group, from 0.
        easiest_first: ``[R]`` rows in the order of difficulty.
        within: whether the competence is one of each group.
        temperature: of the shares.
    """

    def __init__(self, groups: npt.ArrayLike, easiest_first: Ints, within: bool, temperature: float) -> None:
        group = np.asarray(groups, dtype=np.int64)
        self.within, self.temperature = within, temperature
        self._group, self._easiest_first = group, easiest_first
        in_order = group[easiest_first]
        self._parts = [easiest_first[in_order == g] for g in range(int(group.max()) + 1)]

    def eligible(self, competence: float) -> int:
        """Number of rows within a competence of each group."""
        return sum(len(part) for part in self._eligible(competence))

    def draw(self, competence: float, total: int, rng: np.random.Generator) -> Ints:
        """Draw the rows of one pass, in no order.

        Args:
            competence: share of the rows that may be drawn.
            total: rows of the pass.
            rng: of what is random.
        """
        easiest = self._easiest_first[:total]
        if self.within:
            parts = self._eligible(competence)
            easiest = np.concatenate(parts)
        else:
            parts = [easiest[self._group[easiest] == g] for g in range(len(self._parts))]
        if self.temperature == 1:
            return easiest
        # How much more often a group's rows come than others' is a matter of whole groups; of what is eligible of a
        # group there may be two rows, which must not stand for all of it.
        eligible, whole = (np.array([len(part) for part in found], np.float64) for found in (parts, self._parts))
        share = eligible * shares(whole, self.temperature) / np.maximum(whole, 1)
        wanted = quotas(share / share.sum(), total)
        return np.concatenate([_some(part, int(n), rng) for part, n in zip(parts, wanted, strict=True)])

    def _eligible(self, competence: float) -> list[Ints]:
        return [part[: math.ceil(competence * len(part) - 1e-9)] for part in self._parts]


def _some(rows: Ints, n: int, rng: np.random.Generator) -> Ints:
    """``n`` of the rows: all of them as often as they fit, and a random part of them once more."""
    if n == 0:
        return rows[:0]
    times, rest = divmod(n, len(rows))
    return np.concatenate([np.tile(rows, times), rng.permutation(rows)[:rest]])
