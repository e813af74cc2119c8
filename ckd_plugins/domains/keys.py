"""Content keys of histories: one 64-bit number per sequence of tokens, for all windows of a long array at once.

A key is a polynomial hash modulo 2^64 of the tokens' own 64-bit hashes,

    poly(t_0 .. t_{n-1}) = sum_j h(t_j) * B^j,   key = mix(poly + n * L),

with an odd base ``B``. Odd numbers have an inverse modulo 2^64, so that the key of every window follows from the prefix
sums of ``h(t_i) * B^i`` with one subtraction and one product (Rabin and Karp's rolling hash, without the rolling).
The base is 5 modulo 8, which keeps ``B^k - 1`` from being divisible by more than ``4 * k``: order counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

__all__ = ["token_hashes", "window_keys"]

UInt64 = npt.NDArray[np.uint64]
Int64 = npt.NDArray[np.int64]

BASE = 0x9E3779B97F4A7C15  # golden ratio * 2^64: odd, 5 modulo 8
LENGTH = 0xD1B54A32D192ED03  # spreads the length before mixing
_MODULUS = 1 << 64


def token_hashes(tokens: Sequence[str]) -> UInt64:
    """Return a stable 64-bit hash of each token (BLAKE2b of its UTF-8 bytes), ``uint64 [n]``."""
    digests = b"".join(blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in tokens)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def mix(x: UInt64) -> UInt64:
    """Return the finaliser of splitmix64 (Steele et al., 2014): a bijection under which near inputs fall far apart."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def window_keys(hashes: UInt64, start: Int64, stop: Int64) -> UInt64:
    """Return the key of every window ``hashes[start:stop]``.

    Args:
        hashes: ``uint64 [N]``, the token hashes of one long sequence.
        start: ``int64 [R]``, first position of each window.
        stop: ``int64 [R]``, one past its last position.

    Returns:
        ``uint64 [R]``; 0 for an empty window and for no other.
    """
    n = len(hashes)
    powers, inverse = _powers(BASE, n), _powers(pow(BASE, -1, _MODULUS), n + 1)
    prefix = np.zeros(n + 1, dtype=np.uint64)
    np.cumsum(hashes * powers, out=prefix[1:])
    poly = (prefix[stop] - prefix[start]) * inverse[start]
    length = (stop - start).astype(np.uint64)
    keys = mix(poly + length * np.uint64(LENGTH))
    keys[keys == 0] = 1
    keys[length == 0] = 0
    return keys


def _powers(base: int, n: int) -> UInt64:
    """``base ** [0 .. n-1]`` modulo 2^64."""
    factors = np.full(n, base, dtype=np.uint64)
    factors[:1] = 1
    return np.cumprod(factors, dtype=np.uint64)
