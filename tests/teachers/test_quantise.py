from __future__ import annotations

import numpy as np
import pytest

from ckd_plugins.teachers.quantise import fit_codebook


def vectors(n: int = 300) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((n, 3)) @ rng.standard_normal((3, 12)) + 0.1 * rng.standard_normal((n, 12))).astype(
        np.float32
    )


def test_codes_are_the_nearest_centroids() -> None:
    """An error in the split into parts or in the distances gives codes without meaning."""
    x = vectors()
    book = fit_codebook(x, 4, 8, rotations=0)
    parts = x.reshape(len(x), 4, 3)
    distance = ((parts[:, :, None, :] - book.centroids[None]) ** 2).sum(-1)
    assert (book.codes(x) == distance.argmin(-1)).all()


def test_the_rotation_is_orthogonal_and_lowers_the_error() -> None:
    """That is all it is for."""
    x = vectors()
    errors = []
    for rotations in (0, 8):
        book = fit_codebook(x, 4, 8, rotations=rotations)
        np.testing.assert_allclose(book.rotation @ book.rotation.T, np.eye(12), atol=1e-4)
        errors.append(((book.decode(book.codes(x)) - x) ** 2).mean())
    assert errors[1] < 0.8 * errors[0]


def test_small_catalogues_and_the_seed() -> None:
    """Fewer vectors than centroids must not fail, and a seed must give one codebook."""
    x = vectors(5)
    book = fit_codebook(x, 4, 8, rotations=0)
    assert book.centroids.shape == (4, 5, 3)
    np.testing.assert_allclose(book.decode(book.codes(x)), x, atol=1e-5)
    first, second = (fit_codebook(vectors(), 4, 8, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.centroids, second.centroids)
    with pytest.raises(ValueError, match="do not divide"):
        fit_codebook(x, 5, 8)
