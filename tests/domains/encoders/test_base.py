"""Encoding in blocks: every text once, in its place, beside texts of its length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ckd_plugins.domains.encoders.base import TextEncoder


class Lengths(TextEncoder):
    name, dim, identity = "lengths", 1, "1"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[len(t)] for t in texts], np.float32)


def test_blocks_hold_every_text_once_the_shortest_first() -> None:
    """A vector in another text's place belongs to another item; texts of mixed length are mostly padding."""
    texts = ["a" * n for n in (5, 1, 4, 2, 3)]
    blocks = list(Lengths().encode_blocks(texts, 2))
    assert [chosen.tolist() for chosen, _ in blocks] == [[1, 3], [4, 2], [0]]
    assert [vectors.ravel().tolist() for _, vectors in blocks] == [[1, 2], [3, 4], [5]]
    assert list(Lengths().encode_blocks([], 2)) == []
