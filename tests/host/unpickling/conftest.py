"""Pickles written by hand, instruction by instruction, and archives around them."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.host.unpickling import read_object

Read = Callable[[bytes], Any]


def text(value: str) -> bytes:
    """Push a string."""
    raw = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(raw)) + raw


def name(module: str, qualname: str) -> bytes:
    """Push a function or a class, by strings that are on the stack."""
    return text(module) + text(qualname) + pickle.STACK_GLOBAL


def call(function: bytes, *arguments: bytes) -> bytes:
    """Push what a function gives."""
    return function + pickle.MARK + b"".join(arguments) + pickle.TUPLE + pickle.REDUCE


def whole(program: bytes) -> bytes:
    """Return a pickle that makes ``{"x": what the program leaves}``."""
    return pickle.PROTO + b"\x04" + pickle.EMPTY_DICT + text("x") + program + pickle.SETITEM + pickle.STOP


def storage(kind: bytes, key: bytes, elements: bytes) -> bytes:
    """Push a storage, as torch refers to them."""
    return pickle.MARK + text("storage") + kind + key + text("cpu") + elements + pickle.TUPLE + pickle.BINPERSID


def number(value: int) -> bytes:
    """Push a whole number of any size."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return pickle.LONG4 + struct.pack("<i", len(raw)) + raw


def archive(path: Path, program: bytes, records: dict[str, bytes] | None = None, compression: int = 0) -> None:
    """Write what ``torch.save`` writes, with any program in it."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", program)
        for record, content in (records or {}).items():
            file.writestr(f"archive/{record}", content)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a bare pickle and read it."""

    def run(content: bytes) -> Any:
        (tmp_path / "hand.pkl").write_bytes(content)
        return read_object(tmp_path / "hand.pkl")

    return run
