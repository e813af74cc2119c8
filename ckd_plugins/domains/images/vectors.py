"""Image vectors from a file: ``.npz``, ``.safetensors``, or a folder with ``vectors.npy`` and ``tokens.txt``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open

from ckd_plugins.domains.images.base import ImageSource
from ckd_plugins.errors import DataError

__all__ = ["VectorSource"]

_FORMS = (
    "give a .npz with the arrays 'tokens' and 'vectors', a .safetensors with the tensor 'vectors' and a JSON list "
    "'tokens' in its metadata, or a folder with vectors.npy and tokens.txt"
)


class VectorSource(ImageSource):
    """Vectors that somebody made before, one row a token; rows may belong to items that no domain has.

    Args:
        path: one of

            - ``<name>.npz``: ``tokens`` (strings ``[m]``) and ``vectors`` (numbers ``[m, d]``);
            - ``<name>.safetensors``: the tensor ``vectors``, and ``tokens`` in its metadata, a JSON list of strings;
            - a folder: ``vectors.npy``, and ``tokens.txt`` with one token a line in the same order.

    Raises:
        DataError: if the file is none of these, its rows do not fit its tokens, a token occurs twice or a vector has
            an element that is no finite number.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        self.where = str(path)
        tokens, vectors = _read(path)
        if vectors.ndim != 2 or not vectors.shape[1] or len(vectors) != len(tokens):
            raise DataError(
                f"{path}: vectors of shape {list(vectors.shape)} for {len(tokens)} tokens; give one row a token"
            )
        if vectors.dtype.kind not in "fiu":
            raise DataError(f"{path}: vectors of type {vectors.dtype}, not numbers; write them as float32")
        self.tokens, self._vectors = tuple(tokens), vectors
        self._row = {token: i for i, token in enumerate(self.tokens)}
        if len(self._row) != len(tokens):
            twice = next(t for i, t in enumerate(tokens) if self._row[t] != i)
            raise DataError(f"{path}: token {twice!r} occurs twice; keep one row an item")

    def vectors(self, tokens: Sequence[str]) -> npt.NDArray[np.float32]:
        """See :meth:`ImageSource.vectors`."""
        with np.errstate(over="ignore"):  # what float32 cannot hold is told below
            chosen = np.asarray(self._vectors[[self._row[t] for t in tokens]], np.float32)
        bad = ~np.isfinite(chosen).all(axis=1)
        if bad.any():
            raise DataError(
                f"{self.where}: the vector of {tokens[int(bad.argmax())]!r} has elements that are no finite numbers; "
                f"mend the row or leave it out"
            )
        return chosen


def _read(path: Path) -> tuple[list[str], npt.NDArray[Any]]:
    try:
        if (path / "vectors.npy").is_file():
            return _lines(path / "tokens.txt"), np.load(path / "vectors.npy", mmap_mode="r", allow_pickle=False)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return _strings(path, arrays["tokens"]), arrays["vectors"]
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                tokens = json.loads((file.metadata() or {})["tokens"])
                return _strings(path, np.array(tokens)), file.get_tensor("vectors").to(torch.float32).numpy()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, SafetensorError) as error:
        raise DataError(f"{path} holds no image vectors ({_reason(error)}); {_FORMS}") from error
    raise DataError(f"{path} holds no image vectors; {_FORMS}")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8-sig").splitlines()


def _strings(path: Path, tokens: npt.NDArray[Any]) -> list[str]:
    if tokens.ndim != 1 or tokens.dtype.kind != "U":
        # Numbers would be a trap: the item 007 has become 7.
        raise DataError(f"{path}: tokens must be a list of strings, not {tokens.dtype} {list(tokens.shape)}")
    return [str(t) for t in tokens]


def _reason(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
