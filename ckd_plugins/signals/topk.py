"""Top-k: an instance's best items and their scores. For black boxes and imported lists."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from ckd_plugins.errors import SignalError, did_you_mean
from ckd_plugins.signals.bound import BoundSignal, finite, identity_items, identity_rows

__all__ = ["Outside", "TopKSignal"]

Outside = Literal["floor", "mask"]
"""What an item that is not on a row's list gets: see :class:`TopKSignal`."""


class TopKSignal(BoundSignal):
    """Scores of the items on each row's list, and a stated policy for the rest.

    An item outside the list is known to score below the list's last, not by how much. The policies:

    - ``"floor"``: the smallest score on the row's list minus ``margin * temperature``. With a margin of 1, a softmax
      at the teacher's temperature gives an item outside at most 1/e of the last listed item's probability, whatever
      the unit of the scores.
    - ``"mask"``: no opinion. The score is 0, and ``known_items(candidates, rows)`` is False.

    Args:
        ids: int ``[S, k]``, stored item indices; -1 fills lists shorter than ``k``. No item twice in a row.
        listed: float ``[S, k]``, their scores, in any order.
        rows: int64 ``[R]``, position of each of the run's rows in ``ids``; -1 is unknown.
        items: int64 ``[n]``, stored index of each of the student's items; -1 is unknown.
        name: the teacher's name.
        temperature: the teacher's softmax temperature.
        n_items: number of stored items; ``None`` counts ``items``.
        outside: the policy.
        margin: how far the floor lies below the list, in temperatures; not negative.
    """

    def __init__(
        self,
        ids: Tensor,
        listed: Tensor,
        rows: Tensor,
        items: Tensor,
        *,
        name: str,
        temperature: float,
        n_items: int | None = None,
        outside: Outside = "floor",
        margin: float = 1.0,
    ) -> None:
        super().__init__(rows, items, name=name, temperature=temperature)
        if ids.ndim != 2 or ids.shape != listed.shape:
            raise SignalError(
                f"signal {name!r}: top-k ids {tuple(ids.shape)} and scores {tuple(listed.shape)} must both be [rows, k]"
            )
        if outside not in get_args(Outside):
            known = get_args(Outside)
            raise SignalError(f"signal {name!r}: unknown policy {outside!r}{did_you_mean(outside, known)} {known}")
        if margin < 0:
            raise SignalError(f"signal {name!r}: margin is {margin}; an item outside cannot score above the list")
        self.outside, self.margin = outside, float(margin)
        self._ids, self._listed = ids, listed
        self._n_items = len(items) if n_items is None else n_items

    @classmethod
    def from_arrays(
        cls,
        ids: Tensor,
        listed: Tensor,
        n_items: int,
        *,
        name: str = "teacher",
        temperature: float = 1.0,
        known: Tensor | None = None,
        padding: int | None = 0,
        outside: Outside = "floor",
        margin: float = 1.0,
    ) -> TopKSignal:
        """Make a signal without a store: ``ids[r]`` are the student's item ids, ``listed[r]`` their scores.

        Args:
            ids: int ``[R, k]``, -1 where a list is shorter.
            listed: float ``[R, k]``.
            n_items: size of the student's item numbering, padding included.
            name: the teacher's name.
            temperature: the teacher's softmax temperature.
            known: bool ``[R]``; ``None`` is all rows with a list.
            padding: the item id that is no item; ``None`` if there is none.
            outside: the policy for items outside the list.
            margin: how far the floor lies below the list, in temperatures.
        """
        finite(listed, f"signal {name!r}: scores")
        has_list = (ids >= 0).any(1)
        return cls(
            ids,
            listed,
            identity_rows(len(ids), has_list if known is None else has_list & known.to(has_list.device)),
            identity_items(n_items, padding),
            name=name,
            temperature=temperature,
            outside=outside,
            margin=margin,
        )

    def known_items(self, candidates: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return which candidates are stored, or under ``"mask"`` and for given rows, which are on each row's list."""
        if rows is None or self.outside == "floor":
            return super().known_items(candidates)
        return self._look_up(rows, candidates)[1]

    @torch.no_grad()
    def scores(self, rows: Tensor, candidates: Tensor) -> Tensor:
        """Return the listed scores, and for the rest what the policy says, float32 ``[B, C]``."""
        return self._look_up(rows, candidates)[0]

    def _look_up(self, rows: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores ``[B, C]`` under the policy, and where a candidate is on the row's list."""
        self._check_batch(rows, candidates)
        device = candidates.device
        positions = self._positions(rows)
        at = positions.clamp_min(0)
        ids = self._ids.index_select(0, at.to(self._ids.device)).to(device, torch.int64)
        listed = self._listed.index_select(0, at.to(self._listed.device)).to(device).float()
        items = self._stored_items(candidates)
        unknown = torch.zeros_like(listed[:, 0])
        if self.outside == "floor":
            unknown = listed.masked_fill(ids < 0, torch.inf).amin(1) - self.margin * self.temperature
        found, on_list = (
            self._find_shared(ids, listed, items, unknown) if items.ndim == 1 else _find(ids, listed, items)
        )
        if self.outside == "floor" and items.ndim == 2:
            found = torch.where(on_list, found, unknown[:, None])
        known_row = (positions >= 0).to(device)[:, None]
        blank = ~known_row | (items < 0)
        return found.masked_fill_(blank, 0.0) if bool(blank.any()) else found, on_list & known_row

    def _find_shared(self, ids: Tensor, listed: Tensor, items: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        """Find shared candidates by writing each list into the candidates' columns: B * k steps, not B * C * log k.

        Args:
            ids: ``[B, k]``.
            listed: ``[B, k]``.
            items: ``[C]``.
            rest: ``[B]`` score of what is not on a row's list.
        """
        distinct, column = torch.unique(items, return_inverse=True)
        plain = len(distinct) == len(items)  # each column is one item: write into the candidates' own order
        wanted = items if plain else distinct
        # A last column takes what is listed and not asked for. Index -1, no item on either side, leads there too.
        spill = len(wanted)
        column_of = torch.full((self._n_items + 1,), spill, device=items.device)
        column_of[wanted] = torch.arange(spill, device=items.device)
        column_of[-1] = spill
        to = column_of[ids]
        scores = rest[:, None].expand(-1, spill + 1).clone().scatter_(1, to, listed)
        on_list = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, to, True)
        if plain:
            return scores[:, :spill], on_list[:, :spill]
        return scores.index_select(1, column), on_list.index_select(1, column)


def _find(ids: Tensor, listed: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Find each row's own candidates ``[B, C]`` on its list by bisection."""
    ids, order = ids.sort(1)
    at = torch.searchsorted(ids, items.contiguous()).clamp_max_(ids.shape[1] - 1)
    on_list = (ids.gather(1, at) == items) & (items >= 0)
    return listed.gather(1, order).gather(1, at) * on_list, on_list
