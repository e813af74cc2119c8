"""Sizes of Recformer's network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["NetShape", "Pooling"]

Pooling = Literal["first", "mean", "newest"]


@dataclass(frozen=True)
class NetShape:
    """Sizes of the network, and the two token ids that it must know."""

    vocabulary: int
    hidden_size: int
    n_layers: int
    n_heads: int
    inner_size: int
    positions: int
    """Rows of the table of token positions; the first ``pad + 1`` are not used, as in RoBERTa."""
    item_positions: int
    """Rows of the table of item positions: ``<s>``, then the newest item, and so on."""
    begin: int
    """Id of ``<s>``."""
    pad: int
    """Id of padding."""
    activation: str
    norm_eps: float
    window: int | None
    """Width of Longformer's sliding window; ``None``: every token sees every other."""
    pooling: Pooling
    """What stands for a sequence: the state of ``<s>``, as published, or the mean over tokens (of the newest item)."""
    projection: bool
    """A linear layer over a history's vector; items have none."""

    @property
    def longest(self) -> int:
        """Tokens that it can read."""
        return self.positions - self.pad - 1
