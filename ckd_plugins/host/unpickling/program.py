"""Running a pickle with nothing in reach."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from ckd_plugins.host.unpickling.known import named, storage
from ckd_plugins.host.unpickling.names import Name, Refused, Unreadable
from ckd_plugins.host.unpickling.parts import StoragePart, check_keys

__all__ = ["Stream", "run_pickle"]


class Stream(Protocol):
    """What a pickle is read from; reading past the end gives what is there."""

    def read(self, n: int = ..., /) -> bytes:
        """Return the next bytes."""

    def readline(self) -> bytes:
        """Return the rest of a line."""


class _Program(pickle._Unpickler):
    """Python's own unpickler, which keeps its memo in a dict: the one in C makes room for any index a file names."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, stream: Stream, storages: dict[str, StoragePart]) -> None:
        super().__init__(stream)
        self.storages = storages

    def find_class(self, module: str, name: str) -> Name:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Unreadable("a name is no text")
        return named(module, name)

    def persistent_load(self, pid: Any) -> StoragePart | Name:
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module" and isinstance(pid[1], Name):
            return pid[1]  # the old format puts a module's source beside its class
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            kind = pid[0] if isinstance(pid, tuple) and pid else pid
            raise Refused(f"what is stored as {kind[:40]!r}" if isinstance(kind, str) else "a persistent id")
        if len(pid) == 6 and pid[5] is not None:
            raise Unreadable("it is of torch before 0.4: a storage is a view of another one")
        part = storage(pid[1], pid[2], pid[4])
        return self.storages.setdefault(part.key, part)


def _refuse_extension(program: Any) -> None:
    """An extension code stands for a name, and the process keeps what it found for it once."""
    raise Refused("an extension code of copyreg")


def _read_bytearray(program: Any) -> None:
    """Python makes room for as many bytes as the file says; this for as many as there are."""
    program.append(bytearray(program.read(int.from_bytes(program.read(8), "little"))))


def _guard(code: bytes, keys: slice) -> None:
    """Let an instruction run only if what it makes keys or elements of is simple."""
    stock = _Program.dispatch[code[0]]

    def run(program: Any) -> None:
        check_keys(program.stack[keys])
        stock(program)

    _Program.dispatch[code[0]] = run


for _code in (pickle.EXT1, pickle.EXT2, pickle.EXT4):
    _Program.dispatch[_code[0]] = _refuse_extension
_Program.dispatch[pickle.BYTEARRAY8[0]] = _read_bytearray
_guard(pickle.SETITEM, slice(-2, -1))
for _code in (pickle.SETITEMS, pickle.DICT):
    _guard(_code, slice(None, None, 2))
for _code in (pickle.ADDITEMS, pickle.FROZENSET):
    _guard(_code, slice(None))


def run_pickle(stream: Stream, storages: dict[str, StoragePart] | None = None) -> Any:
    """Run one pickle and return what it made, of plain values and placeholders; the stream stands behind it then.

    Args:
        stream: what the pickle is read from.
        storages: gets the storages that it refers to, by key.

    Raises:
        Refused: it asks for something that is not in :mod:`known`.
        Unreadable: it is no pickle, or a damaged one.
    """
    try:
        return _Program(stream, {} if storages is None else storages).load()
    except (Refused, Unreadable):
        raise
    except Exception as error:  # a damaged program fails in any of its instructions
        raise Unreadable(f"it is no pickle, or a damaged one ({type(error).__name__})") from error
