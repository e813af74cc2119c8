"""A text encoder that says how far it is: encoding a catalogue is the longest wait of a first run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.training.progress import Reporter

__all__ = ["ReportingEncoder"]


class ReportingEncoder(TextEncoder):
    """Passes texts on and reports each block; the vectors are the encoder's own.

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
        """Encode without a report."""
        return self._encoder.encode(texts)

    def encode_blocks(self, texts: Sequence[str], size: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Report after each block."""
        done = 0
        with self._reporter.task(f"encode {len(texts)} item texts ({self.name})", len(texts)) as advance:
            for chosen, vectors in self._encoder.encode_blocks(texts, size):
                yield chosen, vectors
                done += len(chosen)
                advance(done, "")
