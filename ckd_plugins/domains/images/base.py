"""The interface of what gives items their image vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["ImageSource", "first_few"]

_NAMED = 3


class ImageSource(ABC):
    """Image vectors of one size, by item token."""

    where: str
    """What messages call it."""
    tokens: tuple[str, ...]
    """Items that have an image, each once."""

    @abstractmethod
    def vectors(self, tokens: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return ``float32 [len(tokens), d]``, finite; a row of zeros says that there is no usable image after all.

        Args:
            tokens: some of :attr:`tokens`, at least one.

        Raises:
            DataError: if a vector cannot be made.
        """


def first_few(names: Sequence[str]) -> str:
    """Return the first names for a message, and how many more there are."""
    shown = ", ".join(map(repr, names[:_NAMED]))
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
