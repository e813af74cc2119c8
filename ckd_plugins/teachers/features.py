"""Text vectors of a domain's items, with a stand-in of their own for items without text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.encoders.cache import encode_domain
from ckd_plugins.domains.keys import token_hashes

__all__ = ["padded", "scaled", "text_features"]

Float32 = npt.NDArray[np.float32]

_LEAST = 1e-12


def text_features(
    domain: Domain, encoder: TextEncoder, cache_dir: str | Path | None = None, *, size: float | None = None
) -> Float32:
    """Return ``float32 [n_items, dim]``, a text vector for every item.

    Items without text must not share one vector: a teacher could not tell them apart. Each gets the mean of the
    domain's vectors plus a deviation of ordinary length, in a direction that its token decides.

    Args:
        domain: whose items.
        encoder: language model for the texts.
        cache_dir: where vectors are kept between runs.
        size: root mean square of a vector's elements, to which vectors are scaled; ``None`` leaves them as they are.

    Raises:
        DataError: if no item has a text.
    """
    vectors, has_text = encode_domain(domain, encoder, cache_dir)
    if size is not None:
        vectors = scaled(vectors, size)
    if has_text.all():
        return vectors
    known = vectors[has_text]
    mean = known.mean(axis=0)
    length = np.linalg.norm(known - mean, axis=1).mean() or 1.0
    missing = np.flatnonzero(~has_text)
    for row, seed in zip(missing, token_hashes([domain.items[i] for i in missing]), strict=True):
        direction = np.random.default_rng(int(seed)).standard_normal(vectors.shape[1])
        vectors[row] = mean + length * direction / np.linalg.norm(direction)
    return vectors


def scaled(vectors: Float32, size: float) -> Float32:
    """Return ``[n, dim]`` vectors with ``size`` as the root mean square of each one's elements; zeros stay zeros."""
    sized: Float32 = vectors * (size / np.maximum(np.sqrt((vectors**2).mean(axis=1, keepdims=True)), _LEAST))
    return sized


def padded(rows: npt.NDArray[Any]) -> Tensor:
    """Return ``[n + 1, ...]``: the rows behind one of zeros, which stands for padding."""
    return torch.from_numpy(np.concatenate([np.zeros_like(rows[:1]), rows]))
