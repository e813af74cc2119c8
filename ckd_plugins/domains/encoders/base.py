"""The interface of a text encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["TextEncoder"]


class TextEncoder(ABC):
    """Turns texts into vectors of one size.

    Reads local files only. One that fetches its model does so when it is made, never while it encodes.
    """

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

    def encode_blocks(
        self, texts: Sequence[str], size: int
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        """Encode block by block, so that what is done can be reported and stored before all is.

        Args:
            texts: what to encode.
            size: texts in a block.

        Yields:
            Positions in ``texts``, ``int64 [n]``, and their vectors, ``float32 [n, dim]``. A block holds texts of like
            length, so that little of a batch is padding; the shortest come first.
        """
        order = np.argsort([len(t) for t in texts], kind="stable")
        for begin in range(0, len(order), size):
            chosen = order[begin : begin + size]
            yield chosen, self.encode([texts[i] for i in chosen])
