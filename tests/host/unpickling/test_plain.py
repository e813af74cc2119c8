"""Arrays and matrices, as models without gradients keep them, and forged ones."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from ckd_plugins.host.unpickling import read_object
from ckd_plugins.host.unpickling.names import Refused, Unreadable
from tests.host.unpickling.conftest import call, name, number, text, whole

Read = Callable[[bytes], Any]


def again(read: Read, value: Any, protocol: int = 4) -> Any:
    return read(pickle.dumps({"x": value}, protocol=protocol))["x"]


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.arange(3, dtype=">i4"),
        np.array([True, False]),
        np.array(["a", "bcd"]),
        np.zeros((0, 4), np.float32),
        np.array([1 + 2j]),
    ],
    ids=lambda a: f"{a.dtype.str}{list(a.shape)}",
)
def test_an_array_comes_back(read: Read, array: np.ndarray, protocol: int) -> None:
    """Another order of bytes or axes gives other numbers of the same shape."""
    found = again(read, array, protocol)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.flags.writeable


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil"])
@pytest.mark.parametrize("form", ["matrix", "array"])
def test_a_sparse_matrix_comes_back(read: Read, kind: str, form: str) -> None:
    """ItemKNN, SLIM and EASE are such matrices and nothing else."""
    dense = np.where(np.random.default_rng(0).random((5, 7)) < 0.3, 1.5, 0).astype(np.float32)
    made = getattr(scipy.sparse, f"{kind}_{form}")(dense)
    found = again(read, made)
    assert type(found) is type(made)
    assert found.dtype == made.dtype
    np.testing.assert_array_equal(found.toarray(), dense)


def forged(**state: Any) -> Any:
    made = scipy.sparse.csr_matrix(np.eye(3, dtype=np.float32))
    vars(made).update(state)
    return made


@pytest.mark.parametrize(
    "state",
    [
        {"indices": np.array([0, 1, 99], np.int32)},
        {"indices": np.array([0, -1, 2], np.int32)},
        {"indptr": np.array([0, 1, 2, 1 << 30], np.int32)},
        {"indptr": np.array([0, 2, 1, 3], np.int32)},
        {"_shape": (3, 2)},
        {"_shape": (1 << 40, 3)},
        {"_shape": "33"},
        {"data": np.ones(2, np.float32)},
        {"data": "many"},
    ],
    ids=str,
)
def test_a_sparse_matrix_points_at_itself(read: Read, state: dict[str, Any]) -> None:
    """Scipy's products check no index: one beyond the end reads, or writes, the memory of this process."""
    with pytest.raises(Unreadable):
        again(read, forged(**state))


@pytest.mark.parametrize("kind", ["csc", "coo", "lil"])
def test_the_other_kinds_point_at_themselves_too(read: Read, kind: str) -> None:
    """Each keeps its places otherwise."""
    made = getattr(scipy.sparse, f"{kind}_matrix")(np.eye(3, dtype=np.float32))
    if kind == "csc":
        made.indices[:] = 99
    elif kind == "coo":
        made.coords = (np.array([0, 1, 99], np.int32), np.array([0, 1, 2], np.int32))
    else:
        made.rows[2] = [99]
    with pytest.raises(Unreadable):
        again(read, made)


def test_objects_in_an_array_are_plain(read: Read) -> None:
    """A lil_matrix keeps lists in one; anything else in it is read as anywhere."""
    array = np.empty(2, object)
    array[0], array[1] = [1, 2], "a"
    assert again(read, array) == [[1, 2], "a"]
    array[1] = Path
    with pytest.raises(Refused, match=r"pathlib\.Path"):
        again(read, array)


def array_of(code: str, shape: bytes, content: bytes) -> bytes:
    made = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), number(0), text("b"))
    state = pickle.MARK + number(1) + shape + call(name("numpy", "dtype"), text(code)) + pickle.NEWFALSE
    return whole(made + state + pickle.SHORT_BINBYTES + bytes([len(content)]) + content + pickle.TUPLE + pickle.BUILD)


@pytest.mark.parametrize(
    ("code", "shape", "size"),
    [
        ("f4", (2,), 4),
        ("f4", (1 << 40,), 4),
        ("f4", (1 << 40, 0), 4),
        ("f4", (-1,), 4),
        ("f3", (1,), 3),
        ("S999999999999", (1,), 4),
        ("O", (1,), 8),
        ("V8", (1,), 8),
        ("M8[s]", (1,), 8),
        ("f4,f4", (1,), 8),
        ("{'names':[]}", (1,), 8),
    ],
)
def test_forged_arrays_are_refused(read: Read, code: str, shape: tuple[int, ...], size: int) -> None:
    """Bytes that are taken for objects are addresses."""
    with pytest.raises((Refused, Unreadable)):
        read(array_of(code, pickle.MARK + b"".join(map(number, shape)) + pickle.TUPLE, bytes(size)))


def test_the_forged_arrays_are_well_formed_otherwise(read: Read) -> None:
    """If the frame around them were broken, the test above would show nothing."""
    np.testing.assert_array_equal(read(array_of("f4", number(2) + pickle.TUPLE1, bytes(8)))["x"], np.zeros(2))


def test_what_is_in_itself_is_read(tmp_path: Path) -> None:
    """A list in itself has no end for a reader that copies it."""
    loop: list[Any] = [1]
    loop.append(loop)
    (tmp_path / "loop.pkl").write_bytes(pickle.dumps(loop))
    found = read_object(tmp_path / "loop.pkl")
    assert found[1] is found
