from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.encoders.cache import encode_domain
from ckd_plugins.errors import DataError


class Counting(TextEncoder):
    """Knows how many texts it was given."""

    name, dim, identity = "counting", 2, "1"

    def __init__(self) -> None:
        self.given: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.given += texts
        return np.array([[len(t), ord(t[0])] for t in texts], np.float32)


def domain(**texts: str | None) -> Domain:
    return Domain.from_interactions("a/b", ["u"], ["x"], texts=texts)


def test_reused_while_nothing_changes_and_renewed_when_a_text_does(tmp_path: Path) -> None:
    """A stale vector would go unnoticed for ever; encoding anew each run takes minutes."""
    encoder = Counting()
    first, has_text = encode_domain(domain(x="one", y="two", z=None), encoder, tmp_path)
    again, _ = encode_domain(domain(x="one", y="two", z=None), encoder, tmp_path)
    assert encoder.given == ["one", "two"]
    np.testing.assert_array_equal(first, again)
    assert has_text.tolist() == [True, True, False]
    assert not first[2].any()
    changed, _ = encode_domain(domain(x="one", y="three"), encoder, tmp_path)
    assert encoder.given[2:] == ["one", "three"]
    assert changed[1].tolist() == [5, ord("t")]
    encoder.identity = "2"
    encode_domain(domain(x="one", y="two"), encoder, tmp_path)
    assert encoder.given[4:] == ["one", "two"]
    assert not list(tmp_path.glob("*.part"))


def test_a_damaged_file_is_written_anew(tmp_path: Path) -> None:
    """A run that was cut off must not spoil the next."""
    encoder = Counting()
    encode_domain(domain(x="one"), encoder, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    vectors, _ = encode_domain(domain(x="one"), encoder, tmp_path)
    assert vectors[0].tolist() == [3, ord("o")]
    assert encoder.given == ["one", "one"]


def test_equal_texts_are_encoded_once() -> None:
    """Catalogues repeat titles; the language model is the slowest part."""
    encoder = Counting()
    vectors, _ = encode_domain(domain(x="same", y="other", z="same"), encoder)
    assert encoder.given == ["same", "other"]
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_a_domain_without_any_text_is_refused() -> None:
    """A text teacher would otherwise learn from zeros."""
    with pytest.raises(DataError, match="text_fields"):
        encode_domain(domain(x=None), Counting())
