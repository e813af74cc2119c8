"""The interface of a text encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["TextEncoder"]


class TextEncoder(ABC):
    """Turns texts into vectors of one size. Encoders never reach for the network."""

    name: str
    """What configs call it."""
    dim: int
    """Size of its vectors."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Short digest of everything that decides the vectors (weights, pooling, cut): the key of cached encodings."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return one vector a text, ``float32 [len(texts), dim]``; a text's vector does not depend on the others."""
