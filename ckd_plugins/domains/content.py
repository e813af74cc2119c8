"""Files and folders by what is in them."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from ckd_plugins.errors import DataError

__all__ = ["content_digest"]

_BLOCK = 1 << 24


def content_digest(
    path: str | os.PathLike[str], *, keep: Callable[[Path], bool] = lambda _: True, begin: str = ""
) -> str:
    """Return a hash of a file, or of all files below a folder with their names there, 20 hexadecimal digits.

    Args:
        path: the file or folder; where it lies and what it is called do not count.
        keep: which files of a folder count.
        begin: hashed first.

    Raises:
        DataError: nothing is there, or it cannot be read.
    """
    root, digest = Path(path).expanduser(), blake2b(begin.encode(), digest_size=10)
    if not root.exists():
        raise DataError(f"{os.fspath(path)!r} does not exist; give a file or folder that does")
    try:
        for file in [root] if root.is_file() else sorted(f for f in root.rglob("*") if f.is_file() and keep(f)):
            digest.update(b"" if file == root else file.relative_to(root).as_posix().encode() + b"\0")
            with file.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
    except OSError as error:
        raise DataError(f"{os.fspath(path)!r} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()
