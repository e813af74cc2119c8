"""Bytes on disk: arrays that are mapped, checksums, files that are whole or absent."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ckd_plugins._whole import whole
from ckd_plugins.errors import SignalError

__all__ = [
    "allocate",
    "array_bytes",
    "checksum",
    "file_checksum",
    "header",
    "json_bytes",
    "map_array",
    "write_rows",
    "write_whole",
]

_BLOCK = 1 << 24


def checksum(data: bytes | memoryview) -> str:
    """Return the blake2b-128 of bytes, in hex."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def file_checksum(path: Path, start: int = 0, stop: int | None = None) -> str:
    """Return :func:`checksum` of the bytes ``[start, stop)`` of a file, in bounded memory."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        left = (path.stat().st_size if stop is None else stop) - file.seek(start)
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def json_bytes(value: object) -> bytes:
    """Return ``value`` as JSON whose bytes depend on nothing but the value."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def header(dtype: str, shape: Sequence[int]) -> bytes:
    """Return the ``.npy`` header (format 1.0) of a C-ordered array."""
    buffer = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype).newbyteorder("<"))
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": tuple(shape)})
    return buffer.getvalue()


def array_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """Return a small array as the bytes of an ``.npy`` file."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return header(little.dtype.str, little.shape) + little.tobytes()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that ``path`` is the whole of ``data`` or what it was before, after a power cut too."""
    with whole(path, locked=True) as beside:
        beside.write_bytes(data)


def allocate(path: Path, dtype: str, shape: Sequence[int]) -> None:
    """Create an ``.npy`` file of this size; its rows are written later. An allocated file is left as it is."""
    head = header(dtype, shape)
    size = len(head) + int(np.prod(shape)) * np.dtype(dtype).itemsize
    if path.exists() and path.stat().st_size == size:
        return
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
        os.fsync(file.fileno())


def write_rows(path: Path, array: np.ndarray[Any, Any], shape: Sequence[int], row: int) -> str:
    """Write rows into an allocated ``.npy`` file and return their checksum once they are on the disk.

    Plain writes, not a map: a full disk is then an error, and not a SIGBUS.

    Args:
        path: a file made by :func:`allocate`.
        array: C-ordered rows of the file's dtype.
        shape: the shape of the whole file.
        row: where the first of the rows goes.
    """
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
    with path.open("r+b") as file:
        file.seek(len(header(array.dtype.str, shape)) + row * (len(data) // max(1, len(array))))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return checksum(data)


def map_array(path: Path, dtype: str, shape: Sequence[int]) -> np.ndarray[Any, Any]:
    """Map an ``.npy`` file of a known dtype and shape; nothing is read until it is used.

    Raises:
        SignalError: the file is missing, has another size (truncated), or is another array.
    """
    head = header(dtype, shape)
    size = len(head) + int(np.prod(shape)) * np.dtype(dtype).itemsize
    try:
        with path.open("rb") as file:
            found, start = os.fstat(file.fileno()).st_size, file.read(len(head))
    except FileNotFoundError:
        raise SignalError(f"store {path.parent}: {path.name} is missing; delete the store and cache it again") from None
    if found != size:
        raise SignalError(
            f"store {path.parent}: {path.name} has {found} bytes where {size} belong (truncated?); "
            "delete the store and cache it again"
        )
    if start != head:
        raise SignalError(
            f"store {path.parent}: the header of {path.name} is not that of {dtype} {tuple(shape)} (damaged?); "
            "delete the store and cache it again"
        )
    # "c" (private, copy-on-write) and not "r": torch warns about read-only memory. Nothing reaches the file.
    little = np.dtype(dtype).newbyteorder("<")
    return np.memmap(path, dtype=little, mode="c", offset=len(head), shape=tuple(shape))
