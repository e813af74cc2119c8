"""Static vectors: the mean of a text's tokens, from the package's own files, without the package's own code."""

from __future__ import annotations

import socket
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from ckd_plugins.domains.encoders import wordllama
from ckd_plugins.domains.encoders.wordllama import WordLlama
from ckd_plugins.errors import EnvironmentProblem

TEXTS = [
    "Cordless phone.",
    "",
    "A telephone without a cord.",
    "White school glue.",
    "caf\u00e9 \u4e2d\u6587 \U0001f58a",
]


def test_a_vector_is_the_mean_of_its_tokens_vectors() -> None:
    """Sums over the wrong tokens, or in the half precision of the file, give near misses and no error."""
    encoder = WordLlama()
    table = load_file(encoder._folder / wordllama._WEIGHTS)["embedding.weight"].astype(np.float64)
    tokenizer = Tokenizer.from_file(str(encoder._folder / wordllama._TOKENIZER))
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), encoder.dim)
    for text, vector in zip(TEXTS, vectors, strict=True):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        expected = sum(table[i] for i in ids) / len(ids) if ids else np.zeros(encoder.dim)
        np.testing.assert_allclose(vector, expected, atol=1e-6)
    assert encoder.encode([]).shape == (0, 256)


def test_a_texts_vector_does_not_depend_on_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts without a token and ends of blocks shift what comes after them, if the sums are counted wrongly."""
    encoder = WordLlama()
    together = encoder.encode(TEXTS)
    monkeypatch.setattr(wordllama, "_BLOCK", 2)
    np.testing.assert_array_equal(encoder.encode(TEXTS), together)
    np.testing.assert_array_equal(np.concatenate([encoder.encode([t]) for t in TEXTS]), together)


def test_meaning_is_near_and_the_rest_is_far() -> None:
    """Weights that do not belong to the tokenizer give vectors without meaning."""
    vectors = WordLlama().encode(TEXTS[:4])
    phone, _, telephone, glue = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    assert phone @ telephone > 0.4 > phone @ glue


def test_neither_the_network_nor_the_packages_code_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package downloads what it does not find, and sets up the whole process's logging when it is imported."""

    def refuse(*_: object) -> None:
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr(socket, "socket", refuse)
    assert WordLlama().encode(["a"]).any()
    code = (
        "import sys; from ckd_plugins.domains.encoders.wordllama import WordLlama; WordLlama().encode(['a']);"
        "print([m for m in ('wordllama', 'requests', 'torch', 'transformers') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The weights are an extra; the message must say which."""
    monkeypatch.setattr(wordllama, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'ckd-plugins\[wordllama\]'"):
        WordLlama()
    other = ModuleSpec("wordllama", None, is_package=True)
    other.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(wordllama, "find_spec", lambda name: other)
    with pytest.raises(EnvironmentProblem, match=r"has no weights.*safetensors"):
        WordLlama()


def test_identity_follows_the_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A later version of the package with other weights must not find the vectors of this one."""
    for file in (wordllama._WEIGHTS, wordllama._TOKENIZER):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_bytes(b"x")
    monkeypatch.setattr(wordllama, "_package", lambda: tmp_path)
    first = WordLlama().identity
    assert first == WordLlama().identity
    (tmp_path / wordllama._WEIGHTS).write_bytes(b"y")
    second = WordLlama().identity
    (tmp_path / wordllama._TOKENIZER).write_bytes(b"y")
    assert len({first, second, WordLlama().identity}) == 3
