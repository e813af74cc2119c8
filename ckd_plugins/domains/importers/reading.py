"""Lines of a plain or gzipped file, parsed one by one in bounded memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO, TypeVar, cast
from zipfile import BadZipFile

from ckd_plugins.domains.importers.archive import File, size
from ckd_plugins.domains.importers.log import FileLog, ImportLog
from ckd_plugins.errors import DataError

__all__ = ["MALFORMED", "TELL", "load_json", "read_lines", "reason", "require", "unpacked"]

T = TypeVar("T")
_BUFFER = 1 << 20
_LONGEST = 1 << 24
"""Bytes in a line; longer ones are malformed, not memory."""
MALFORMED = (ValueError, KeyError, TypeError, IndexError, SyntaxError, RecursionError, MemoryError)
"""What parsers raise on a malformed line."""
TELL = 1 << 14
"""Lines between two words on progress."""


def require(path: Path, what: str) -> Path:
    """Return the path of a file that is there.

    Raises:
        DataError: it is not.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist; {what}")
    return path


def read_lines(path: File, parse: Callable[[bytes], T | None], log: ImportLog, *, skip: int = 0) -> Generator[T]:
    """Yield what ``parse`` makes of each line of a file, which may be gzipped whatever its name.

    Args:
        path: the file.
        parse: gets a line without its end; ``None`` leaves it out without a word, any error of values, keys, types or
            syntax counts it as malformed. It must not execute what it reads.
        log: counts lines; told of progress in bytes of the file as it lies there.
        skip: lines of a header.

    Raises:
        DataError: the file cannot be read, is cut off, or more of it is malformed than the log allows.
    """
    try:
        with path.open("rb") as raw, log.task(f"reading {path.name}", size(path)) as advance:
            file = log.open(path)
            stream = unpacked(raw)
            for _ in range(skip):
                _line(stream, file)
            while line := _line(stream, file):
                try:
                    if len(line) > _LONGEST:
                        _pass_over(stream, line)
                    parsed = parse(line.rstrip(b"\r\n"))
                except MALFORMED as error:
                    file.flag(reason(error))
                    continue
                if not file.lines % TELL:
                    advance(raw.tell(), f"{file.lines:,} lines")
                if parsed is not None:
                    yield parsed
            advance(size(path), f"{file.lines:,} lines, {file.malformed:,} malformed")
    except (OSError, EOFError, zlib.error, BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {error}; fetch it again") from error
    log.check()


def load_json(path: Path, kind: type[T], log: ImportLog) -> T:
    """Return a file that is one JSON value; it is held in memory as a whole.

    Raises:
        DataError: it cannot be read, is no JSON, or another kind of value.
    """
    import json

    file = log.open(path)
    try:
        with path.open("rb") as raw:
            value = json.load(unpacked(raw))
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}; fetch it again") from error
    file.lines = len(value) if isinstance(value, dict | list) else 1
    if not isinstance(value, kind):
        raise DataError(f"{path} holds a {type(value).__name__}, not a {kind.__name__}; is it of this format?")
    return value


def unpacked(raw: IO[bytes]) -> IO[bytes]:
    """Return a file's content, gunzipped if it is packed; told by its first bytes."""
    head = raw.read(2)
    raw.seek(0)
    # GzipFile's own readline goes through Python; a buffer of C around it halves the time of a line.
    packed = cast("io.RawIOBase", gzip.GzipFile(fileobj=raw)) if head == b"\x1f\x8b" else None
    return raw if packed is None else io.BufferedReader(packed, _BUFFER)


def _line(stream: IO[bytes], file: FileLog) -> bytes:
    line = stream.readline(_LONGEST + 1)
    file.lines += bool(line)
    return line


def _pass_over(stream: IO[bytes], line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(_LONGEST)
    raise ValueError(f"longer than {_LONGEST >> 20} MiB")


def reason(error: BaseException) -> str:
    """Return why a parser refused a line, in a few words."""
    if isinstance(error, KeyError):
        return f"no {error.args[0]!r}"
    if isinstance(error, UnicodeDecodeError):
        return "no UTF-8"
    return str(error).partition("\n")[0][:120] or type(error).__name__
