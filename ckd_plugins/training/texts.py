"""A text encoder that says how far it is: encoding a catalogue is the longest wait of a first run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.training.progress import Reporter

__all__ = ["ReportingEncoder"]

_CHUNK = 64


class ReportingEncoder(TextEncoder):
    """Passes texts on in chunks and reports each; the vectors are the encoder's own.

    Args:
        encoder: the encoder.
        reporter: shows the progress.
    """

    def __init__(self, encoder: TextEncoder, reporter: Reporter) -> None:
        self._encoder, self._reporter = encoder, reporter
        self.name, self.dim = encoder.name, encoder.dim

    @property
    def identity(self) -> str:
        """The encoder's own."""
        return self._encoder.identity

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode in chunks of like length, so that chunking costs no padding."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        with self._reporter.task(f"encode {len(texts)} item texts ({self.name})", len(texts)) as advance:
            for begin in range(0, len(order), _CHUNK):
                chosen = order[begin : begin + _CHUNK]
                vectors[chosen] = self._encoder.encode([texts[i] for i in chosen])
                advance(begin + len(chosen), "")
        return vectors
