"""Which of Amazon's files belong together, by the names under which they are published."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from ckd_plugins.domains.importers.log import ImportLog
from ckd_plugins.domains.importers.reading import read_lines, require
from ckd_plugins.errors import DataError

__all__ = ["find_files", "first_lines"]

_FILE = re.compile(r"(?P<kind>reviews_|ratings_|meta_)?(?P<name>.+?)(?P<core>_5)?\.(jsonl?|csv)(\.gz)?")


def find_files(path: Path, metadata: Path | None) -> tuple[Path, Path | None]:
    """Return the file of reviews or ratings, and that of metadata if there is one.

    Args:
        path: the first of them, or a folder that holds one.
        metadata: the second; ``None`` finds it beside the first.

    Raises:
        DataError: a file is missing, or the folder holds several files of reviews.
    """
    path = Path(path).expanduser()
    folder = path if path.is_dir() else path.parent
    named = {file: found for file in sorted(folder.glob("*")) if (found := _FILE.fullmatch(file.name))}
    if path.is_dir():
        reviews = [file for file, found in named.items() if found["kind"] != "meta_"]
        if len(reviews) != 1:
            listed = ", ".join(file.name for file in reviews) or "none"
            raise DataError(f"{path} holds {len(reviews)} files of reviews or ratings ({listed}); name the one to read")
        path = reviews[0]
    if metadata is not None:
        return path, require(Path(metadata).expanduser(), "metadata names the file of Amazon's metadata")
    own = _FILE.fullmatch(path.name)
    wanted = own["name"] if own else path.name.partition(".")[0]
    beside = [file for file, found in named.items() if found["kind"] == "meta_" and found["name"] == wanted]
    return path, beside[0] if beside else None


def first_lines(path: Path, count: int = 1000) -> list[bytes]:
    """Return a file's first lines that are not empty."""
    lines = read_lines(path, lambda line: line if line.strip() else None, ImportLog())
    found = list(islice(lines, count))
    lines.close()  # type: ignore[attr-defined]  # the file, now rather than at collection
    return found
