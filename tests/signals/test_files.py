from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ckd_plugins.errors import SignalError
from ckd_plugins.signals import files


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "uint64"])
def test_files_are_plain_npy(tmp_path, dtype):
    """A store must be readable by numpy alone, years later and without this package."""
    array = np.arange(12).reshape(4, 3).astype(dtype)
    files.write_whole(tmp_path / "a.npy", files.array_bytes(array))
    files.allocate(tmp_path / "b.npy", dtype, (4, 3))
    files.write_rows(tmp_path / "b.npy", array[2:], (4, 3), 2)
    files.write_rows(tmp_path / "b.npy", array[:2], (4, 3), 0)
    for name in ("a.npy", "b.npy"):
        np.testing.assert_array_equal(np.load(tmp_path / name), array)
        np.testing.assert_array_equal(files.map_array(tmp_path / name, dtype, (4, 3)), array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_big_endian_arrays_are_stored_little(tmp_path):
    """A store made on another machine must hold the same bytes."""
    array = np.arange(3, dtype=">f4")
    assert files.array_bytes(array) == files.array_bytes(array.astype("<f4"))


def test_checksum_of_rows_is_that_of_their_bytes_in_the_file(tmp_path, monkeypatch):
    """The writer hashes memory and the reader hashes the file, block by block: both must mean the same bytes."""
    monkeypatch.setattr(files, "_BLOCK", 5)
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    files.allocate(tmp_path / "a.npy", "float32", (4, 3))
    told = files.write_rows(tmp_path / "a.npy", array[1:3], (4, 3), 1)
    start = len(files.header("float32", (4, 3))) + 12
    assert told == files.file_checksum(tmp_path / "a.npy", start, start + 24)
    assert told == hashlib.blake2b(array[1:3].tobytes(), digest_size=16).hexdigest()


def test_mapped_arrays_cannot_change_the_file(tmp_path):
    """Torch writes through what it shares: an in-place operation must not damage the store for everyone."""
    files.write_whole(tmp_path / "a.npy", files.array_bytes(np.zeros(3, np.float32)))
    mapped = files.map_array(tmp_path / "a.npy", "float32", (3,))
    mapped += 1
    del mapped
    assert np.load(tmp_path / "a.npy").tolist() == [0, 0, 0]


def test_allocating_again_keeps_what_was_written(tmp_path):
    """A resumed writer that truncated the file would lose the finished shards."""
    files.allocate(tmp_path / "a.npy", "float32", (2, 1))
    files.write_rows(tmp_path / "a.npy", np.ones((1, 1), np.float32), (2, 1), 0)
    files.allocate(tmp_path / "a.npy", "float32", (2, 1))
    assert np.load(tmp_path / "a.npy").tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "missing"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "truncated"),
        (lambda p: p.write_bytes(b"x" + p.read_bytes()[1:]), "header"),
    ],
)
def test_damaged_files_are_refused_without_reading_them(tmp_path, damage, message):
    """Mapping a short file gives a bus error at the first use of its end, which kills the process."""
    path = tmp_path / "a.npy"
    files.write_whole(path, files.array_bytes(np.zeros(3, np.float32)))
    damage(path)
    with pytest.raises(SignalError, match=message):
        files.map_array(path, "float32", (3,))
