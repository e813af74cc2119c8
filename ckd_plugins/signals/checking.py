"""Are the stores of a folder whole? Every byte is compared with its checksum, and what is damaged is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.files import header
from ckd_plugins.signals.manifest import Manifest
from ckd_plugins.signals.store import Store

__all__ = ["Verdict", "check_store", "stores_in"]


@dataclass(frozen=True)
class Verdict:
    """What a look at every byte of a store found."""

    path: Path
    manifest: Manifest | None
    """``None`` where it cannot be read."""
    nbytes: int
    """Of all files."""
    damage: tuple[str, ...]
    """What is damaged, by file and shard; empty for a whole store."""

    @property
    def whole(self) -> bool:
        """Whether every byte is what was written."""
        return not self.damage


def stores_in(folder: Path) -> list[Path]:
    """The stores in a folder, sorted by name; those that are being written have no place in it yet."""
    return sorted(path for path in folder.glob("[!.]*") if path.is_dir())


def check_store(path: Path) -> Verdict:
    """Compare all of a store with its checksums; one that a writer replaces meanwhile is looked at again."""
    while True:
        before = _manifest_bytes(path)
        verdict = _look(path)
        if verdict.whole or _manifest_bytes(path) == before:
            return verdict


def _look(path: Path) -> Verdict:
    manifest: Manifest | None = None
    try:
        manifest = Manifest.from_json(_manifest_bytes(path) or b"", "store")
        short = tuple(_short(path, manifest))
        damage = short or tuple(Store.open(path, verify=False).damaged())
    except (SignalError, OSError) as error:
        damage = (str(error).removeprefix(f"store {path.absolute()}: ").removeprefix("store: ").partition(";")[0],)
    if manifest is None:
        damage = ("manifest.json is missing",) if _manifest_bytes(path) is None else damage
    return Verdict(path, manifest, _size(path), damage)


def _short(path: Path, manifest: Manifest) -> Iterator[str]:
    """The sharded files that were cut off, and the first shard that is not all there."""
    for name, column in manifest.columns.items():
        file = path / f"{name}.npy"
        head = len(header(column.dtype, (manifest.rows, *column.shape)))
        width = int(np.prod(column.shape)) * np.dtype(column.dtype).itemsize
        found, wanted = file.stat().st_size if file.is_file() else 0, head + manifest.rows * width
        if 0 < found < wanted:
            shard = max(0, found - head) // (width * manifest.shard_size)
            yield f"shard {shard} of {name}.npy is truncated ({found} bytes in the file where {wanted} belong)"


def _manifest_bytes(path: Path) -> bytes | None:
    try:
        return (path / "manifest.json").read_bytes()
    except OSError:
        return None


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.glob("*") if file.is_file())
