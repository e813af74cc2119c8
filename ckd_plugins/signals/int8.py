"""Vectors in a byte a dimension: integers of -127 to 127, and a scale a vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from ckd_plugins.errors import SignalError

__all__ = ["to_int8"]

_Array = np.ndarray[Any, Any]


def to_int8(vectors: _Array, where: str = "vectors") -> tuple[_Array, _Array]:
    """Round vectors to int8, symmetrically and each by its own largest magnitude.

    ``codes * scales[:, None]`` is the vector again; no value moves by more than half its vector's scale, which is
    1/254 of the vector's largest magnitude.

    Args:
        vectors: float ``[rows, d]``.
        where: for the message.

    Returns:
        codes, int8 ``[rows, d]``, and scales, float32 ``[rows]``; a vector of zeros has scale 0.

    Raises:
        SignalError: a value is NaN or infinite.
    """
    with np.errstate(over="ignore"):  # refused below, with a better word
        exact = vectors.astype(np.float32, copy=False)
    if not np.isfinite(exact).all():
        raise SignalError(f"{where}: vectors hold NaN, infinite, or too large values; mend the teacher")
    scales = np.abs(exact).max(axis=1, initial=0.0) / np.float32(127)
    codes = np.rint(exact / np.where(scales > 0, scales, np.float32(1))[:, None])
    # A scale that is rounded in the last bits of its range can lead to 128.
    return np.clip(codes, -127, 127).astype(np.int8), scales
