"""Product quantisation: a vector as a few small numbers, one for each of its parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Codebook", "fit_codebook"]

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Codebook:
    """A rotation and, for each part of the rotated vector, the centroids that its values are rounded to."""

    rotation: Float32
    """``[dim, dim]``, orthogonal."""
    centroids: Float32
    """``[digits, size, dim / digits]``."""

    def codes(self, vectors: Float32) -> Int64:
        """Return the number of the nearest centroid for each part, ``int64 [n, digits]``."""
        return _assign(_parts(vectors @ self.rotation, len(self.centroids)), self.centroids).T

    def decode(self, codes: Int64) -> Float32:
        """Return the vectors that codes stand for, ``float32 [n, dim]``."""
        parts = np.take_along_axis(self.centroids, codes.T[:, :, None], axis=1)
        return np.concatenate(list(parts), axis=1) @ self.rotation.T


def fit_codebook(
    vectors: Float32, digits: int, size: int, *, rotations: int = 8, iterations: int = 20, seed: int = 0
) -> Codebook:
    """Learn a codebook by k-means in each part, and the rotation that makes its error small.

    Optimised product quantisation (Ge et al., CVPR 2013, the non-parametric form): centroids and rotation in turn.

    Args:
        vectors: ``[n, dim]``.
        digits: number of parts; divides ``dim``.
        size: centroids of a part; at most ``n`` are used.
        rotations: times the rotation is renewed; 0 for plain product quantisation.
        iterations: of k-means at the end.
        seed: of the first centroids.

    Raises:
        ValueError: if ``digits`` does not divide the vectors' size.
    """
    n, dim = vectors.shape
    if dim % digits:
        raise ValueError(f"{digits} digits do not divide vectors of size {dim}")
    rng = np.random.default_rng(seed)
    rotation = np.eye(dim, dtype=np.float32)
    parts = _parts(vectors, digits)
    centroids = np.stack([part[rng.choice(n, min(size, n), replace=False)] for part in parts])
    for _ in range(rotations):
        centroids = _lloyd(parts, centroids, 1)
        rounded = np.take_along_axis(centroids, _assign(parts, centroids)[:, :, None], axis=1)
        # Procrustes: the orthogonal matrix that brings the vectors nearest to their rounded selves.
        left, _, right = np.linalg.svd(vectors.T @ np.concatenate(list(rounded), axis=1))
        rotation = (left @ right).astype(np.float32)
        parts = _parts(vectors @ rotation, digits)
    return Codebook(rotation, _lloyd(parts, centroids, iterations))


def _parts(vectors: Float32, digits: int) -> Float32:
    """``[n, dim] -> [digits, n, dim / digits]``."""
    return np.ascontiguousarray(vectors.reshape(len(vectors), digits, -1).transpose(1, 0, 2))


def _assign(parts: Float32, centroids: Float32) -> Int64:
    """The nearest centroid of each vector in each part, ``[digits, n]``."""
    half = 0.5 * (centroids**2).sum(axis=-1)
    return np.stack([(p @ c.T - h).argmax(axis=1) for p, c, h in zip(parts, centroids, half, strict=True)])


def _lloyd(parts: Float32, centroids: Float32, iterations: int) -> Float32:
    """k-means; a centroid that nothing is near to stays where it is."""
    centroids = centroids.copy()
    for _ in range(iterations):
        nearest = _assign(parts, centroids)
        for part, near, own in zip(parts, nearest, centroids, strict=True):
            counts = np.bincount(near, minlength=len(own))
            sums = np.zeros_like(own)
            np.add.at(sums, near, part)
            own[counts > 0] = sums[counts > 0] / counts[counts > 0, None]
    return centroids
