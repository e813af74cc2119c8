"""From placeholders to tensors, arrays and plain values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from torch import Tensor

from ckd_plugins.host.unpickling.known import CONFIG, DTYPES
from ckd_plugins.host.unpickling.names import Name, Refused, Unreadable
from ckd_plugins.host.unpickling.parts import ArrayPart, DtypePart, RecordPart, StoragePart, TensorPart, whole

__all__ = ["Plain"]

_ATOMS = (type(None), bool, int, float, complex, str, bytes)
_NUMBERS = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,9}")


class Plain:
    """Makes the plain values of one file.

    Args:
        numbers: gives a storage's bytes, ``uint8 [n]``, by its key and the number of bytes it must have.
    """

    def __init__(self, numbers: Callable[[str, int], Tensor]) -> None:
        self._numbers = numbers
        self._storages: dict[str, Tensor] = {}
        self._made: dict[int, Any] = {}
        self._in_config = False

    def __call__(self, part: Any) -> Any:
        """Return what a part stands for. What a file refers to twice is one object, as it was.

        Raises:
            Refused: a function or a class is left that nothing was made of, outside of RecBole's settings.
            Unreadable: sizes contradict one another.
        """
        if isinstance(part, _ATOMS):
            return part
        if id(part) not in self._made:
            made = self._of(part)
            self._made[id(part)] = made
        return self._made[id(part)]

    def _of(self, part: Any) -> Any:
        if isinstance(part, dict):
            filled = self._made[id(part)] = {}
            filled.update((self(key), self(value)) for key, value in part.items())
            return filled
        if isinstance(part, list):
            listed = self._made[id(part)] = []
            listed.extend(map(self, part))
            return listed
        if isinstance(part, tuple | set | frozenset):
            return type(part)(map(self, part))
        if isinstance(part, bytearray):
            return bytes(part)
        if isinstance(part, Name):
            if not self._in_config and part.full not in DTYPES:
                raise Refused(part.full)
            return part.full
        if isinstance(part, RecordPart):
            return self._config(part) if part.full == CONFIG else self._sparse(part)
        if isinstance(part, TensorPart):
            return self._tensor(part)
        if isinstance(part, StoragePart):
            return self._storage(part).view(part.dtype)
        if isinstance(part, ArrayPart):
            return self._array(part)
        if isinstance(part, DtypePart):
            return f"{part.order}{part.code}"
        raise Refused(f"an object of the type {type(part).__name__!r}")

    def _config(self, part: RecordPart) -> dict[str, Any]:
        """RecBole's settings mention the model's class, and others: they are names here."""
        before, self._in_config = self._in_config, True
        try:
            return {str(key): self(value) for key, value in part.state.items()}
        finally:
            self._in_config = before

    def _storage(self, part: StoragePart) -> Tensor:
        size = part.elements * part.dtype.itemsize
        if part.key not in self._storages:
            self._storages[part.key] = self._numbers(part.key, size)
        if len(self._storages[part.key]) != size:
            raise Unreadable(f"the storage {part.key!r} has two sizes")
        return self._storages[part.key]

    def _tensor(self, part: TensorPart) -> Tensor:
        flat = self._storage(part.storage)
        if flat.numel() % part.dtype.itemsize or len(part.size) != len(part.stride):
            raise Unreadable("a tensor does not fit its storage")
        flat, count = flat.view(part.dtype), math.prod(part.size)
        last = part.offset + sum((n - 1) * step for n, step in zip(part.size, part.stride, strict=True))
        # A stride of 0 makes any number of elements out of one.
        if count and (last >= flat.numel() or count > flat.numel()):
            raise Unreadable(f"a tensor of {part.size} reaches beyond its storage of {flat.numel()} elements")
        return flat.as_strided(part.size, part.stride, part.offset) if count else flat.new_empty(part.size)

    def _array(self, part: ArrayPart) -> Any:
        if isinstance(part.content, list):  # of objects
            if not part.dtype.code.startswith("O") or part.shape != (len(part.content),):
                raise Unreadable("a numpy array of objects is malformed")
            return [self(item) for item in part.content]
        if not _NUMBERS.fullmatch(part.dtype.code):
            raise Refused(f"a numpy array of the type {part.dtype.code!r}")
        dtype = np.dtype(part.dtype.order + part.dtype.code)
        if math.prod(part.shape) * dtype.itemsize != len(part.content):
            raise Unreadable(f"a numpy array of {part.shape} does not fit its content")
        if not part.content:
            return np.zeros(part.shape, dtype)
        array = np.frombuffer(part.content, dtype).reshape(part.shape, order="F" if part.fortran else "C")
        return array.copy() if array.ndim else array.item()

    def _sparse(self, part: RecordPart) -> Any:
        """A scipy matrix, made anew from its arrays and checked."""
        kind, state = part.full.rpartition(".")[2], {str(key): self(value) for key, value in part.state.items()}
        try:
            shape = whole(state["_shape"])
            if kind.startswith("lil"):
                lengths = [len(row) for row in state["rows"]]
                indptr = np.concatenate([[0], np.cumsum(lengths)])
                values = np.array([v for row in state["data"] for v in row], np.dtype(state["dtype"]))
                content: Any = (values, np.array([i for row in state["rows"] for i in row], np.int64), indptr)
                made = scipy.sparse.csr_matrix(content, shape)
                made.check_format(full_check=True)
                return getattr(scipy.sparse, kind)(made)
            if kind.startswith("coo"):
                content = (state["data"], state["coords"] if "coords" in state else (state["row"], state["col"]))
                return getattr(scipy.sparse, kind)(content, shape)
            made = getattr(scipy.sparse, kind)((state["data"], state["indices"], state["indptr"]), shape)
            made.check_format(full_check=True)
            return made
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise Unreadable(f"a {kind} is malformed ({str(error)[:80]})") from error
