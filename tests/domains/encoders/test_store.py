"""Vectors by text, on disk: found again, whatever else lies there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ckd_plugins.domains.encoders.store import VectorStore, text_keys
from ckd_plugins.errors import DataError

TEXTS = ["a", "b", "lone surrogate \ud800", ""]
VECTORS = np.arange(8, dtype=np.float32).reshape(4, 2)


@pytest.fixture
def store(tmp_path: Path) -> VectorStore:
    store = VectorStore(tmp_path / "deep" / "folder", 2)
    keys = text_keys(TEXTS)
    store.write(keys[:2], VECTORS[:2])
    store.write(keys[2:], VECTORS[2:])
    return store


def test_what_was_written_is_found_in_any_order(store: VectorStore) -> None:
    """A vector that is given for another text is an error that nobody sees."""
    vectors, found = store.read(text_keys(["", "new", "b", "a"]))
    assert found.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(vectors, [VECTORS[3], [0, 0], VECTORS[1], VECTORS[0]])
    assert [a.shape for a in store.read(text_keys([]))] == [(0, 2), (0,)]


@pytest.mark.parametrize("damage", ["cut", "empty", "other size", "no vectors"])
def test_a_damaged_shard_goes_and_the_others_stay(store: VectorStore, damage: str) -> None:
    """One bad file must stop no run, spoil no vector, and not be read for ever."""
    keys = text_keys(TEXTS[:2])
    (path,) = {p for p in store.folder.iterdir() if keys.tobytes() in p.read_bytes()}
    if damage == "other size":
        save_file({"keys": keys, "vectors": np.ones((2, 3), np.float32)}, path)
    elif damage == "no vectors":
        save_file({"keys": keys}, path)
    else:
        path.write_bytes(path.read_bytes()[:-1] if damage == "cut" else b"")
    vectors, found = store.read(text_keys(TEXTS))
    assert found.tolist() == [False, False, True, True]
    np.testing.assert_array_equal(vectors[2:], VECTORS[2:])
    assert not vectors[:2].any()
    assert not path.exists()


def test_what_a_killed_writer_left_is_not_read(store: VectorStore) -> None:
    """Half a file under its final name would be taken for a shard."""
    (store.folder / ".x.safetensors.1-1").write_bytes(b"half")
    assert store.read(text_keys(TEXTS))[1].all()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A full disk or a file in the way: one line that names the place, and nothing half written."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written to .*file.*ckd\.cache_dir"):
        VectorStore(tmp_path / "file" / "below", 2).write(text_keys(["a"]), VECTORS[:1])


def test_keys_are_the_same_in_every_run() -> None:
    """Keys of Python's own hash would differ from process to process."""
    assert text_keys(["tea"])[0].tobytes().hex() == "833ede412aad05219a1b924c1fe8a5cd"
    assert len({k.tobytes() for k in text_keys(TEXTS)}) == len(TEXTS)
