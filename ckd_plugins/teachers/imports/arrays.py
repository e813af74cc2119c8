"""Files of arrays: npz, npy, safetensors, torch tensors and matrices as text. Nothing in them is executed."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ckd_plugins.errors import DataError
from ckd_plugins.teachers.imports.block import TOKENS, canonical
from ckd_plugins.teachers.imports.tokens import Tokens

__all__ = ["ARRAY_FORMATS", "ArrayFile", "open_arrays"]

Array = npt.NDArray[Any]


class Sliced(Protocol):
    """An array of which rows are read when they are asked for."""

    shape: tuple[int, ...]

    def __getitem__(self, rows: slice, /) -> Array:
        """Return some rows."""
        ...


@dataclass(frozen=True)
class ArrayFile:
    """Named arrays, and what the file says of their tokens."""

    arrays: Mapping[str, Sliced]
    """Those of numbers; a file of one array without a name has it under ``""``."""
    tokens: Mapping[str, Tokens] = field(default_factory=dict)
    """Those of tokens."""


@dataclass(frozen=True)
class _Read:
    """Rows through a function."""

    shape: tuple[int, ...]
    rows: Callable[[slice], Array]

    def __getitem__(self, rows: slice, /) -> Array:
        return self.rows(rows)


def open_arrays(path: Path) -> ArrayFile:
    """Open a file of arrays by its suffix; memory-mapped where the format allows it.

    Raises:
        DataError: it is damaged, holds Python objects, or another kind of data than its suffix says.
    """
    try:
        return ARRAY_FORMATS[path.suffix](path)
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, BadZipFile, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path} cannot be read as plain arrays ({reason}); Python objects are not opened: save numbers and text"
        ) from error


def _npz(path: Path) -> ArrayFile:
    with np.load(path, allow_pickle=False) as file:
        found = {canonical(name): file[name] for name in file.files}
    tokens = {name: _text(path, name, array) for name, array in found.items() if _is_text(name, array)}
    return ArrayFile({name: array for name, array in found.items() if name not in tokens}, tokens)


def _is_text(name: str, array: Array) -> bool:
    # whole numbers under 'items' are places in 'item'; users and items may well be called by numbers
    return array.dtype.kind in "US" or (name in ("item", "user") and array.dtype.kind in "iu")


def _text(path: Path, name: str, array: Array) -> Tokens:
    """Text as tokens; in a matrix, empty text fills short rows."""
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    words = array.astype(str)
    if words.ndim == 1:
        if name in ("history", "items"):
            raise DataError(f"{path.name}: {name!r} must be [rows, longest], with empty text where a row is shorter")
        return Tokens.of(words)
    filled = words != ""
    return Tokens.of(words[filled], filled.sum(1))


def _npy(path: Path) -> ArrayFile:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return ArrayFile({"": array})


def _matrix(path: Path) -> ArrayFile:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty file is refused by its shape
        return ArrayFile({"": np.loadtxt(path, ndmin=2)})


def _safetensors(path: Path) -> ArrayFile:
    from safetensors import SafetensorError, safe_open

    def read(name: str) -> Callable[[slice], Array]:
        def rows(part: slice) -> Array:
            with safe_open(path, "pt") as file:
                return _plain(file.get_slice(name)[part])

        return rows

    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            notes = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    arrays = {canonical(name): _Read(shape, read(name)) for name, shape in shapes.items()}
    return ArrayFile(arrays, dict(_noted(path, notes)))


def _noted(path: Path, notes: Mapping[str, str]) -> Iterator[tuple[str, Tokens]]:
    """Tokens in the metadata, each a JSON list; of histories a list of lists."""
    for name in TOKENS:
        if name not in notes:
            continue
        listed = json.loads(notes[name])
        nested = name == "history"
        if not isinstance(listed, list) or any(isinstance(one, list) != nested for one in listed):
            raise DataError(f"{path.name}: metadata {name!r} must be a JSON list of {'lists of ' * nested}tokens")
        if nested:
            yield name, Tokens.of([str(t) for one in listed for t in one], [len(one) for one in listed])
        else:
            yield name, Tokens.of([str(t) for t in listed])


def _torch(path: Path) -> ArrayFile:
    import torch

    found = torch.load(path, map_location="cpu", weights_only=True)
    named = found if isinstance(found, dict) else {"": found}
    if not named or not all(isinstance(value, torch.Tensor) for value in named.values()):
        raise DataError(f"{path.name} holds {type(found).__name__}; it must hold a tensor, or a dict of tensors")

    def read(tensor: torch.Tensor) -> Sliced:
        return _Read(tuple(tensor.shape), lambda rows: _plain(tensor[rows]))

    return ArrayFile({canonical(str(name)): read(tensor) for name, tensor in named.items()})


def _plain(tensor: Any) -> Array:
    """A tensor as NumPy has it, which knows no bfloat16."""
    array: Array = (tensor.float() if tensor.is_floating_point() else tensor).detach().numpy()
    return array


ARRAY_FORMATS: dict[str, Callable[[Path], ArrayFile]] = {
    ".npz": _npz,
    ".npy": _npy,
    ".safetensors": _safetensors,
    ".pt": _torch,
    ".pth": _torch,
    ".txt": _matrix,
}
"""By suffix."""
