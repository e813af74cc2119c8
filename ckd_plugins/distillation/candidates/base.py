"""The items that teachers and student are compared on, and the interface of what chooses them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ckd_plugins.signals.base import Signal

__all__ = ["CandidateSource", "Candidates", "generator_for", "own_target_first"]


@dataclass(frozen=True)
class Candidates:
    """Items of one batch. ``B`` rows, ``C`` candidates."""

    items: Tensor
    """int64 ``[C]`` (shared by all rows: one matrix product reads them) or ``[B, C]``; the student's item ids."""
    target: Tensor
    """int64 ``[B]`` column of each row's own target, -1 when it is not among the candidates."""
    mask: Tensor | None = None
    """bool ``[B, C]``; ``False`` = not allowed for that row. ``None`` allows everything."""


class CandidateSource(ABC):
    """Chooses the candidates of a batch.

    A source keeps its own random state: drawing candidates must not shift the student's dropout.
    """

    def bind(self, n_items: int, popularity: Tensor) -> None:  # noqa: B027 - a source may need nothing
        """Learn the catalogue. Called once, before the first batch.

        Args:
            n_items: number of item ids, the padding id 0 included; items are ``1 .. n_items - 1``.
            popularity: ``[n_items]`` train interactions of each item.
        """

    def bind_tokens(self, tokens: Sequence[str | None]) -> None:  # noqa: B027
        """Learn what the data call the items. Called once, after :meth:`bind`.

        Args:
            tokens: by item id; ``None`` for padding.
        """

    def bind_teachers(self, signals: Sequence[Signal]) -> None:  # noqa: B027
        """Learn the teachers. Called once by the objective, after :meth:`bind`."""

    @classmethod
    def asks_teachers(cls) -> bool:
        """Whether it goes by teachers, so that it can choose nothing before :meth:`bind_teachers`."""
        return cls.bind_teachers is not CandidateSource.bind_teachers

    def set_epoch(self, epoch: int) -> None:  # noqa: B027 - a source may have no random state
        """Restart the random state for ``epoch``, so that a resumed run draws what the whole run would have."""

    @abstractmethod
    def choose(self, rows: Tensor, targets: Tensor) -> Candidates:
        """Choose candidates for a batch.

        Args:
            rows: int64 ``[B]`` row ids, as the teachers know them.
            targets: int64 ``[B]`` the rows' item ids.
        """


def generator_for(seed: int, epoch: int) -> torch.Generator:
    """Return a CPU generator that depends on ``seed`` and ``epoch`` only."""
    return torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)


def own_target_first(targets: Tensor, shared: Tensor) -> Candidates:
    """Put each row's own target in column 0, before items that all rows share.

    A shared item that is the row's own target is masked there: it would count twice.

    Args:
        targets: int64 ``[B]``.
        shared: int64 ``[n]``, distinct.
    """
    items = torch.cat([targets[:, None], shared.expand(len(targets), -1)], dim=1)
    mask = items != targets[:, None]
    mask[:, 0] = True
    return Candidates(items=items, target=torch.zeros_like(targets), mask=mask)
