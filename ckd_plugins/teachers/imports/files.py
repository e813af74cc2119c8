"""From a path to a table: the format by the suffix. Nothing in a file is executed, and no pickle is opened."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from safetensors import safe_open

from ckd_plugins.errors import DataError, EnvironmentProblem
from ckd_plugins.host.unpickling import read_object

__all__ = ["beside", "read_table"]

_ALIASES = {"vectors": "vector", "item_id": "item", "user_id": "user"}


def read_table(path: str | Path, *, tokens: str, alone: str, names: str | Path | None = None) -> pd.DataFrame:
    """Read a file of vectors, lists or scores, a row each; a cell of several values is an array.

    Args:
        path: Parquet, npz, safetensors, npy, a tensor or a dict of tensors of PyTorch's, or a matrix as text.
        tokens: what a column called ``tokens`` holds: ``"item"`` or ``"user"``.
        alone: what the array of a file without names is; ``"tokens"`` reads ``.txt`` and ``.json`` as
            lists of tokens.
        names: a file of tokens for a file without any, see ``alone``.

    Raises:
        DataError: another format, a damaged file, one that holds Python objects, or one without rows.
        EnvironmentProblem: Parquet needs pyarrow.
    """
    path = Path(path).expanduser()
    readers = _READERS | ({".txt": _lines, ".json": _json} if alone == "tokens" else {})
    if path.suffix not in readers:
        raise DataError(
            f"{path}: {path.suffix or 'no suffix'} is no format that is read (known: {', '.join(readers)}); pickles "
            f"(.pkl, .df) can run anything when they are opened and are refused: save arrays or tables instead"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of empty text and odd pickles, both of which are refused
            found = readers[path.suffix](path)
        # A matrix is a column of its rows. user_id:token is what an atomic file calls its column.
        called = {name: str(name or alone).split(":", 1)[0].lower() for name in found}
        called = {name: tokens if c == "tokens" else _ALIASES.get(c, c) for name, c in called.items()}
        table = pd.DataFrame({called[n]: list(a) if np.ndim(a) > 1 else a for n, a in found.items()})
    except EnvironmentProblem:
        raise
    except Exception as error:  # at damaged bytes the libraries raise anything, struct.error and IndexError included
        reason = next(iter(str(error).splitlines()), "").strip()[:200] or type(error).__name__
        raise DataError(
            f"{path} cannot be read as plain numbers and text ({reason}); Python objects are not opened, and "
            f"columns must be of one length: write it again"
        ) from error
    if table.empty or table.isna().any(axis=None):
        what = "has no rows" if table.empty else f"has empty places in {str(table.isna().any().idxmax())!r}"
        raise DataError(f"{path} {what}; write one row, whole, for each item, user, history or instance")
    if names is None:
        return table
    return beside(table, path, read_table(names, tokens=tokens, alone="tokens"), names)


def beside(table: pd.DataFrame, path: str | Path, other: pd.DataFrame, of: str | Path) -> pd.DataFrame:
    """Return two files' columns as one table, row by row.

    Raises:
        DataError: they differ in length, or the second says nothing that the first does not say itself.
    """
    new = other.columns.difference(table.columns)
    if new.empty:
        raise DataError(f"{path} has {', '.join(map(repr, other))} itself; leave {of} out")
    if len(table) != len(other):
        raise DataError(f"{path} has {len(table)} rows and {of} {len(other)}; give files that belong together")
    return pd.concat([table, other[new]], axis=1)


def _npz(path: Path) -> Mapping[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _npy(path: Path) -> Mapping[str, Any]:
    return {"": np.load(path, allow_pickle=False)}


def _matrix(path: Path) -> Mapping[str, Any]:
    return {"": np.loadtxt(path, ndmin=2)}


def _safetensors(path: Path) -> Mapping[str, Any]:
    with safe_open(path, framework="pt") as file:
        arrays: dict[str, Any] = {name: _plain(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        noted = (file.metadata() or {}).get("tokens")
    return arrays | ({"tokens": json.loads(noted)} if noted else {})


def _torch(path: Path) -> Mapping[str, Any]:
    found = read_object(path)
    named = found if isinstance(found, dict) else {"": found}
    if not all(isinstance(value, torch.Tensor) for value in named.values()):
        raise ValueError(f"it holds {type(found).__name__} and must hold a tensor or a dict of tensors")
    return {str(name): _plain(tensor) for name, tensor in named.items()}


def _plain(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """A tensor as NumPy has it, which knows no bfloat16."""
    return np.asarray((tensor.float() if tensor.is_floating_point() else tensor).detach())


def _parquet(path: Path) -> Mapping[str, Any]:
    try:
        return dict(pd.read_parquet(path, engine="pyarrow").items())
    except ImportError as error:
        raise EnvironmentProblem(f"{path.name}: Parquet needs pyarrow; pip install 'ckd-plugins[parquet]'") from error


def _lines(path: Path) -> Mapping[str, Any]:
    return {"tokens": path.read_text(encoding="utf-8-sig").splitlines()}


def _json(path: Path) -> Mapping[str, Any]:
    """A list of tokens, histories or objects such as ``{"user": ..., "target": ...}``, or tokens with their numbers."""
    given = json.loads(path.read_text(encoding="utf-8-sig"))
    if isinstance(given, dict):
        given = sorted(given, key=given.__getitem__) if sorted(given.values()) == [*range(len(given))] else None
    if not isinstance(given, list):
        raise ValueError("it must be a list, or a mapping of tokens to the numbers 0, 1, 2 ...")
    if given and isinstance(given[0], dict):
        return dict(pd.DataFrame(given).items())
    return {"history" if given and isinstance(given[0], list) else "tokens": pd.Series(given, dtype=object)}


_READERS: dict[str, Callable[[Path], Mapping[str, Any]]] = {
    ".parquet": _parquet,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".npy": _npy,
    ".pt": _torch,
    ".pth": _torch,
    ".txt": _matrix,
}
