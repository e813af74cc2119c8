"""The encoder that reports: the same vectors, and signs of life."""

from __future__ import annotations

import numpy as np

from ckd_plugins.training.texts import ReportingEncoder

from .conftest import Recorder, WordEncoder


def some_texts(n: int = 200) -> list[str]:
    rng = np.random.default_rng(0)
    words = ["tea", "lamp", "rope", "soap", "drum", "coat"]
    return [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(n)]


def test_vectors_are_the_encoders_own_in_the_order_of_the_texts(recorder: Recorder) -> None:
    """Texts are encoded by length; vectors put back in that order would belong to other items."""
    texts, plain = some_texts(), WordEncoder()
    vectors = ReportingEncoder(plain, recorder).encode(texts)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, plain.encode(texts))


def test_it_stands_for_the_same_encoder() -> None:
    """Caches are named by identity: with another one, every run would encode anew."""
    plain = WordEncoder()
    reporting = ReportingEncoder(plain, Recorder())
    assert (reporting.name, reporting.dim, reporting.identity) == (plain.name, plain.dim, plain.identity)


def test_progress_grows_to_the_number_of_texts(recorder: Recorder) -> None:
    """A catalogue takes minutes; a bar that stands still looks like a hanging process."""
    ReportingEncoder(WordEncoder(), recorder).encode(some_texts(200))
    ((title, steps),) = recorder.tasks.items()
    assert title == "encode 200 item texts (words)"
    assert recorder.totals[title] == 200
    done = [step for step, _ in steps]
    assert len(done) > 2
    assert done == sorted(done)
    assert done[-1] == 200


def test_no_texts_are_no_vectors(recorder: Recorder) -> None:
    """A domain whose texts are all in the cache asks for none."""
    assert ReportingEncoder(WordEncoder(), recorder).encode([]).shape == (0, 32)
