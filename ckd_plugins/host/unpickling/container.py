"""The files of ``torch.save``: where the pickle lies in them, and where the numbers."""

from __future__ import annotations

import mmap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from ckd_plugins.host.unpickling.names import Refused, Unreadable
from ckd_plugins.host.unpickling.parts import StoragePart
from ckd_plugins.host.unpickling.plain import Plain
from ckd_plugins.host.unpickling.program import run_pickle

__all__ = ["read_object"]

_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of a file of torch.save before torch 1.6
_PROTOCOL = 1001
_TAR = (b"ustar", 257)
_LARGEST = 1 << 28  # bytes of a bare pickle: it has no storages


def read_object(path: Path) -> Any:
    """Return what a file of ``torch.save`` holds, or a bare pickle: tensors on the CPU, arrays, plain values.

    RecBole's ``Config`` is a mapping of its attributes, an enumeration's member its value, a device or an element type
    its name, scipy's matrices are made anew.

    Args:
        path: an archive of torch 1.6 and later, a file of the format before it, or a pickle.

    Raises:
        Refused: it asks for what could run code, or holds code.
        Unreadable: it is damaged or of another kind.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(512)
        try:
            if head.startswith(b"PK"):
                return _archive(file)
            if head.startswith(b"\x93NUMPY"):
                raise Unreadable("it is a numpy array, no checkpoint")
            if head[_TAR[1] : _TAR[1] + 5] == _TAR[0]:
                raise Unreadable("it is a tar archive of torch before 0.2, which is not read")
            if not head:
                raise Unreadable("it is empty")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return _stream(mapped)
        except (Refused, Unreadable, RecursionError, MemoryError):
            raise
        except zipfile.BadZipFile as error:
            raise Unreadable(f"its zip archive is damaged ({error})") from error
        except Exception as error:  # a damaged or forged file fails anywhere: sizes beyond int64, a bad checksum ...
            raise Unreadable(f"it is damaged ({type(error).__name__})") from error


def _archive(file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        records = _records(archive)
        programs = [name for name in records if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(programs) != 1:
            raise Unreadable("it is a zip archive that torch.save did not write")
        prefix = programs[0].removesuffix("data.pkl")
        if f"{prefix}byteorder" in records and archive.read(f"{prefix}byteorder") != b"little":
            raise Unreadable("its numbers are big-endian")

        def numbers(key: str, size: int) -> Tensor:
            record = records.get(f"{prefix}data/{key}")
            if record is None or record.file_size != size:
                raise Unreadable(f"the storage {key!r} is missing or has another size than is said")
            return _bytes(archive.read(record))

        with archive.open(programs[0]) as program:
            return Plain(numbers)(run_pickle(program))


def _records(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """An archive's records. Torch compresses nothing: what is larger inside than outside is a bomb."""
    records: dict[str, zipfile.ZipInfo] = {}
    for record in archive.infolist():
        if record.filename.partition("/")[2].startswith(("code/", "constants.pkl")):
            raise Refused(f"the code of a TorchScript archive ({record.filename})")
        if record.compress_type != zipfile.ZIP_STORED or record.compress_size != record.file_size:
            raise Refused(f"the compressed record {record.filename!r}")
        if record.filename in records:
            raise Refused(f"two records {record.filename!r}")
        records[record.filename] = record
    assert archive.fp is not None
    end = archive.fp.seek(0, 2)
    if sum(record.file_size for record in records.values()) > end:
        raise Refused("records that lie upon one another")
    return records


def _stream(mapped: mmap.mmap) -> Any:
    first = run_pickle(mapped)
    if first != _MAGIC:
        if len(mapped) > mapped.tell() or len(mapped) > _LARGEST:
            raise Unreadable("it is no file of torch.save")
        return Plain(_no_numbers)(first)
    if run_pickle(mapped) != _PROTOCOL:
        raise Unreadable("it is of an unknown version of torch")
    system = run_pickle(mapped)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Unreadable("its numbers are big-endian")
    storages: dict[str, StoragePart] = {}
    program, keys = run_pickle(mapped, storages), run_pickle(mapped)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Unreadable("it has no list of storages")
    return Plain(_behind(mapped, keys, storages))(program)


def _behind(mapped: mmap.mmap, keys: list[str], storages: dict[str, StoragePart]) -> Callable[[str, int], Tensor]:
    """The numbers of the old format: behind the pickles, each storage's count of elements and its elements."""
    place: dict[str, tuple[int, int]] = {}
    for key in keys:
        count = int.from_bytes(mapped.read(8), "little", signed=True)
        if key not in storages or count != storages[key].elements:
            raise Unreadable(f"the storage {key!r} has another size than is said")
        start, size = mapped.tell(), count * storages[key].dtype.itemsize
        if start + size > len(mapped):
            raise Unreadable(f"it ends within the storage {key!r}")
        place[key] = (start, size)
        mapped.seek(start + size)

    def numbers(key: str, size: int) -> Tensor:
        start, found = place.get(key, (0, -1))
        if found != size:
            raise Unreadable(f"the storage {key!r} is missing or has another size than is said")
        return _bytes(mapped[start : start + size])

    return numbers


def _no_numbers(key: str, size: int) -> Tensor:
    raise Unreadable("a bare pickle has no storages")


def _bytes(content: bytes) -> Tensor:
    if not content:
        return torch.empty(0, dtype=torch.uint8)
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)
