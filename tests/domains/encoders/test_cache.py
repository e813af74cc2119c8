"""Encodings on disk: each text once for each encoder, whoever asks, and whatever happens to those who write."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders import cache
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


def domain(name: str = "a/b", /, **texts: str | None) -> Domain:
    return Domain.from_interactions(name, ["u"], [next(iter(texts))], texts=texts)


def test_only_texts_that_are_new_are_encoded(tmp_path: Path) -> None:
    """Encoding anew takes minutes, each run and for each domain that shares texts; a stale vector goes unnoticed."""
    encoder = Counting()
    first, has_text = encode_domain(domain(x="one", y="two", z=None), encoder, tmp_path)
    again, _ = encode_domain(domain(x="one", y="two", z=None), encoder, tmp_path)
    assert encoder.given == ["one", "two"]
    np.testing.assert_array_equal(first, again)
    assert has_text.tolist() == [True, True, False]
    assert not first[2].any()
    changed, _ = encode_domain(domain("c", y="three", x="one"), encoder, tmp_path)
    assert encoder.given[2:] == ["three"]
    assert changed.tolist() == [[5, ord("t")], [3, ord("o")]]
    assert not list(tmp_path.rglob(".*"))


def test_another_encoder_has_vectors_of_its_own(tmp_path: Path) -> None:
    """Two models, or two weights of one, would mix in one catalogue."""
    encoder = Counting()
    encode_domain(domain(x="one"), encoder, tmp_path)
    encoder.identity = "2"
    encode_domain(domain(x="one"), encoder, tmp_path)
    encoder.name = "../a name"
    encode_domain(domain(x="one"), encoder, tmp_path)
    assert encoder.given == ["one"] * 3
    assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_file_is_written_anew(tmp_path: Path) -> None:
    """A disk that was full must not spoil the next run."""
    encoder = Counting()
    encode_domain(domain(x="one"), encoder, tmp_path)
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-3])
    vectors, _ = encode_domain(domain(x="one"), encoder, tmp_path)
    assert vectors[0].tolist() == [3, ord("o")]
    encode_domain(domain(x="one"), encoder, tmp_path)
    assert encoder.given == ["one", "one"]


SCRIPT = """
import os, signal, sys, time
import numpy as np
from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders import cache
from ckd_plugins.domains.encoders.base import TextEncoder

class Counting(TextEncoder):
    name, dim, identity, given = "counting", 2, "1", 0
    def encode(self, texts):
        self.given += len(texts)
        if self.given > int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        return np.array([[len(t), ord(t[0])] for t in texts], np.float32)

cache._BLOCK, cache._SECONDS = 2, 0
sys.stdin.readline()
texts = {str(n): "a" * n for n in range(1, 41)}
vectors, _ = cache.encode_domain(Domain.from_interactions("d", ["u"], ["1"], texts=texts), Counting(), sys.argv[1])
assert vectors[:, 0].tolist() == list(range(1, 41))
"""
MANY = {str(n): "a" * n for n in range(1, 41)}


def started(folder: Path, most: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(folder), str(most)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_run_leaves_what_it_has_done(tmp_path: Path) -> None:
    """The first encoding of a catalogue takes an hour; it would never end where runs are stopped before that."""
    process = started(tmp_path, 30)
    process.communicate("\n")
    assert process.returncode == -signal.SIGKILL
    encoder = Counting()
    vectors, _ = encode_domain(domain(**MANY), encoder, tmp_path)
    assert encoder.given == ["a" * n for n in range(31, 41)]
    assert vectors.tolist() == [[n, ord("a")] for n in range(1, 41)]


def test_two_processes_at_once(tmp_path: Path) -> None:
    """Studies run side by side; one must not read or remove what the other is writing."""
    both = [started(tmp_path, 1000) for _ in range(2)]
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [(process.communicate()[1], process.returncode) for process in both] == [("", 0)] * 2
    encoder = Counting()
    vectors, _ = encode_domain(domain(**MANY), encoder, tmp_path)
    assert encoder.given == []
    assert vectors.tolist() == [[n, ord("a")] for n in range(1, 41)]


def test_vectors_are_stored_at_intervals_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file for each block of a fast encoder would be thousands."""
    monkeypatch.setattr(cache, "_BLOCK", 1)
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(cache, "monotonic", lambda: next(clock))
    encode_domain(domain(a="a", b="bb", c="ccc", d="dddd", e="eeeee"), Counting(), tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_equal_texts_are_encoded_once() -> None:
    """Catalogues repeat titles; the language model is the slowest part."""
    encoder = Counting()
    vectors, _ = encode_domain(domain(x="same", y="other", z="same"), encoder)
    assert encoder.given == ["same", "other"]
    np.testing.assert_array_equal(vectors[0], vectors[2])


class Knows(Counting):
    """Knows one word."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[t == "tea", 0] for t in texts], np.float32)


def test_items_without_a_vector_are_told_apart_from_others() -> None:
    """Items whose words are all unknown would share a vector of zeros; a teacher could not tell them apart."""
    _, has_vector = encode_domain(domain(x="tea", y="???", z=None), Knows())
    assert has_vector.tolist() == [True, False, False]


@pytest.mark.parametrize("text", [None, "???"])
def test_a_domain_without_any_text_is_refused(text: str | None) -> None:
    """A text teacher would otherwise learn from zeros."""
    with pytest.raises(DataError, match="text_fields"):
        encode_domain(domain(x=text), Knows())


@pytest.mark.parametrize(("made", "message"), [([[1.0]], r"an array \[1, 1\] where \[1, 2\] is due"),
                                              ([[1.0, np.nan]], "NaN or infinite values for 'tea'")])  # fmt: skip
def test_what_is_no_vector_a_text_is_refused(
    made: list[list[float]], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin's slip would be kept for ever, and train teachers on nothing."""
    monkeypatch.setattr(Counting, "encode", lambda self, texts: np.array(made, np.float32))
    with pytest.raises(DataError, match=message):
        encode_domain(domain(x="tea"), Counting(), tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))
