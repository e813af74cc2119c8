"""Files in a folder or in a zip archive, which is read where it lies."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ckd_plugins.errors import DataError

__all__ = ["File", "member", "size"]

File = Path | zipfile.Path
"""A file, or one in an archive."""


def member(path: Path, name: str) -> File | None:
    """Return the file of a name in a folder or archive, or one folder below; ``None`` if there is none.

    Raises:
        DataError: the archive is damaged.
    """
    if path.is_dir():
        return next(iter([*path.glob(name), *sorted(path.glob(f"*/{name}"))]), None)
    if not path.is_file() or not zipfile.is_zipfile(path):
        return None
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} cannot be read: {error}; fetch it again") from error
    found = [n for n in archive.namelist() if n == name or (n.endswith(f"/{name}") and n.count("/") == 1)]
    return zipfile.Path(archive, found[0]) if found else None


def size(file: File) -> int:
    """Return how many bytes reading a file goes through."""
    return file.stat().st_size if isinstance(file, Path) else file.root.getinfo(file.at).file_size  # type: ignore[attr-defined]
