"""Asks every teacher about some rows: logits, and who knows what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ckd_plugins.distillation.candidates import Candidates

if TYPE_CHECKING:
    from ckd_plugins.signals.base import Signal

__all__ = ["Reading", "over_catalogue", "read_teachers", "rows_at_once"]

_ELEMENTS = 1 << 22
"""Teachers x rows x items that are read at once: 16 MiB a temporary in float32."""


@dataclass(frozen=True)
class Reading:
    """What ``K`` teachers say about ``B`` rows and ``C`` candidates."""

    logits: Tensor
    """``[K, B, C]`` scores over each teacher's temperature; 0 in rows that the teacher does not know."""
    known: Tensor
    """bool ``[K, B]``: the teacher knows the row and two of its candidates at least."""
    target: Tensor
    """int64 ``[B]`` column of the row's own target, or -1."""
    mask: Tensor | None
    """bool, broadcastable to ``[K, B, C]``: allowed for the row and known to the teacher. ``None`` = everything."""
    student_mask: Tensor | None
    """bool ``[B, C]``: allowed for the row and known to a teacher of the row; all true in rows that no teacher knows,
    whose loss counts for nothing but must be finite. ``None`` = everything."""


def rows_at_once(teachers: int, items: int) -> int:
    """How many rows' scores of so many items by so many teachers may exist at a time."""
    return max(1, _ELEMENTS // (teachers * items))


@torch.no_grad()
def read_teachers(
    signals: Sequence[Signal],
    rows: Tensor,
    chosen: Candidates,
    dtype: torch.dtype,
    active: Sequence[bool] | None = None,
) -> Reading:
    """Ask each signal once.

    Args:
        signals: the teachers.
        rows: int64 ``[B]``.
        chosen: the candidates of these rows.
        dtype: of the student's scores; logits are float64 if it is, else float32.
        active: which of them are asked at all, the others know nothing; ``None`` asks everybody.
    """
    items = chosen.items
    precise = torch.float64 if dtype == torch.float64 else torch.float32
    logits = torch.empty(len(signals), len(rows), items.shape[-1], dtype=precise, device=items.device)
    known = torch.empty(len(signals), len(rows), dtype=torch.bool, device=items.device)
    of_items: list[Tensor] = []
    for k, signal in enumerate(signals):
        if active is not None and not active[k]:
            known[k], logits[k] = False, 0.0
            of_items.append(torch.ones(1, dtype=torch.bool, device=items.device))
            continue
        known[k] = signal.known(rows)
        torch.div(signal.scores(rows, items).to(logits), signal.temperature, out=logits[k])
        if not bool(known[k].all()):
            logits[k].masked_fill_(~known[k].unsqueeze(-1), 0.0)
        of_items.append(signal.known_items(items, rows))
    if chosen.mask is None and bool(torch.stack([seen.all() for seen in of_items]).all()):
        return Reading(logits=logits, known=known, target=chosen.target, mask=None, student_mask=None)
    mask = torch.stack([seen.expand(len(rows), items.shape[-1]) for seen in of_items])
    if chosen.mask is not None:
        mask &= chosen.mask
    # A softmax over one item says nothing.
    known &= mask.sum(dim=-1) >= min(2, items.shape[-1])
    student_mask = (mask & known.unsqueeze(-1)).any(dim=0)
    student_mask |= ~known.any(dim=0).unsqueeze(-1)
    return Reading(logits=logits, known=known, target=chosen.target, mask=mask, student_mask=student_mask)


def over_catalogue(signals: Sequence[Signal], targets: Tensor, n_items: int) -> Iterator[tuple[Tensor, Reading]]:
    """Yield consecutive blocks of row ids and what the teachers say of them; column ``c`` is the item ``c + 1``.

    Args:
        signals: the teachers; row ids are ``0 .. R - 1``.
        targets: int64 ``[R]`` the rows' item ids.
        n_items: number of item ids, padding included.
    """
    items, step = torch.arange(1, n_items), rows_at_once(len(signals), n_items)
    for begin in range(0, len(targets), step):
        rows = torch.arange(begin, min(begin + step, len(targets)))
        yield rows, read_teachers(signals, rows, Candidates(items=items, target=targets[rows] - 1), torch.float32)
