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
    reporting = ReportingEncoder(plain, recorder)
    vectors = np.zeros((len(texts), plain.dim), np.float32)
    for chosen, made in reporting.encode_blocks(texts, 64):
        vectors[chosen] = made
    assert np.array_equal(vectors, plain.encode(texts))
    assert np.array_equal(vectors, reporting.encode(texts))


def test_it_stands_for_the_same_encoder() -> None:
    """Caches are named by identity: with another one, every run would encode anew."""
    plain = WordEncoder()
    reporting = ReportingEncoder(plain, Recorder())
    assert (reporting.name, reporting.dim, reporting.identity) == (plain.name, plain.dim, plain.identity)


def test_progress_grows_to_the_number_of_texts(recorder: Recorder) -> None:
    """A catalogue takes minutes; a bar that stands still looks like a hanging process."""
    list(ReportingEncoder(WordEncoder(), recorder).encode_blocks(some_texts(200), 64))
    ((title, steps),) = recorder.tasks.items()
    assert title == "encode 200 item texts (words)"
    assert recorder.totals[title] == 200
    done = [step for step, _ in steps]
    assert len(done) > 2
    assert done == sorted(done)
    assert done[-1] == 200
