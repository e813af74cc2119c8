from __future__ import annotations

import numpy as np
import pytest

from ckd_plugins.domains import Domain, TextEncoder
from ckd_plugins.errors import DataError
from ckd_plugins.teachers.features import text_features


def test_items_without_text_do_not_share_a_vector(words: TextEncoder) -> None:
    """A teacher could not tell them apart, and students would learn that they are one item."""
    texts = {"a": "red shoe", "b": "blue shoe", "c": "green hat", "x": None, "y": None}
    domain = Domain.from_interactions("d", ["u"], ["a"], texts=texts)
    vectors = text_features(domain, words)
    assert len(np.unique(vectors, axis=0)) == 5
    known = vectors[:3]
    deviation = np.linalg.norm(vectors - known.mean(0), axis=1)
    np.testing.assert_allclose(deviation[3:], deviation[:3].mean(), rtol=1e-4)


def test_a_stand_in_follows_the_token(words: TextEncoder) -> None:
    """Another numbering of the items must not change what a saved teacher sees."""
    texts = {"a": "red shoe", "b": "blue shoe", "x": None, "y": None}
    one = text_features(Domain.from_interactions("d", ["u"], ["a"], texts=texts), words)
    turned = text_features(Domain.from_interactions("d", ["u"], ["a"], texts=dict(reversed(texts.items()))), words)
    np.testing.assert_allclose(one, turned[::-1], rtol=1e-6)


def test_one_size_whatever_the_language_model_gives(words: TextEncoder) -> None:
    """Settings of a teacher would otherwise hold for one language model only; directions must not change."""
    domain = Domain.from_interactions("d", ["u"], ["a"], texts={"a": "red shoe", "b": "hat", "c": None})
    vectors = text_features(domain, words, size=0.3)
    np.testing.assert_allclose(np.sqrt((vectors[:2] ** 2).mean(axis=1)), 0.3, rtol=1e-5)
    np.testing.assert_allclose(
        vectors[:2] / vectors[:2, :1], (e := words.encode(["red shoe", "hat"])) / e[:, :1], rtol=1e-4
    )


def test_no_text_at_all(words: TextEncoder) -> None:
    """A text teacher has nothing to go by then."""
    with pytest.raises(DataError, match="no item has a text"):
        text_features(Domain.from_interactions("d", ["u"], ["a"]), words)
