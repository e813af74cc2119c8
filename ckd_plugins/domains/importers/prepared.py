"""Helpers of formats that come filtered and split, as a folder of files with one name."""

from __future__ import annotations

from pathlib import Path

from ckd_plugins.errors import DataError

__all__ = ["find_name"]


def find_name(path: Path, ending: str) -> tuple[Path, str]:
    """Return the folder of a dataset and the name that its files begin with.

    Args:
        path: the folder or one of the files.
        ending: of a file that every dataset of the format has: ``.train.inter``.

    Raises:
        DataError: there is no such file, or several and none is named as the folder.
    """
    path = Path(path).expanduser()
    folder = path if path.is_dir() else path.parent
    names = sorted(file.name.removesuffix(ending) for file in folder.glob(f"*{ending}"))
    if path.is_file():
        names = [name for name in names if path.name.startswith(f"{name}.")] or names
    if folder.name in names:
        return folder, folder.name
    if len(names) == 1:
        return folder, names[0]
    if names:
        raise DataError(f"{folder} holds several datasets ({', '.join(names)}); name a file of the one you mean")
    raise DataError(f"{path} has no file *{ending}; give the dataset's folder")
