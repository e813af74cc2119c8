"""The names that a checkpoint may use, and what each of them stands for. Everything else is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from ckd_plugins.host.unpickling.names import Maker, Name, Refused, Unreadable, name_of
from ckd_plugins.host.unpickling.parts import (
    ArrayPart,
    DtypePart,
    OrderedPart,
    RecordPart,
    StoragePart,
    TensorPart,
    check_keys,
    whole,
)

__all__ = ["CONFIG", "DTYPES", "SPARSE", "named"]

CONFIG = "recbole.config.configurator.Config"
"""The one class of RecBole's whose objects are read, as a mapping."""
SPARSE = frozenset(
    f"scipy.sparse.{module}.{kind}_{form}"
    for kind in ("csr", "csc", "coo", "lil")
    for module in (kind, f"_{kind}")  # before scipy 1.8, and since
    for form in ("matrix", "array")
)
"""Scipy's matrices, which RecBole keeps of models without gradients."""

_STORAGES = {
    "Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool,
}  # fmt: skip
_STORAGE_DTYPES = {f"torch.{kind}Storage": dtype for kind, dtype in _STORAGES.items()} | {
    "torch.storage.UntypedStorage": torch.uint8
}
DTYPES = {
    str(getattr(torch, name)): getattr(torch, name)
    for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
                 "uint16", "uint32", "uint64")
}  # fmt: skip
"""Element types by name. A file that mentions one gets its name."""
_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # as Python 2 called them, and protocol 2 still does
_ENUMERATIONS = "recbole.utils.enum_type"
_HARMLESS_FACTORIES = {f"builtins.{name}" for name in ("list", "dict", "set", "int", "float", "str", "tuple")}


def named(module: str, qualname: str) -> Name:
    """Return what stands for ``module.qualname``."""
    module = _RENAMED.get(module, module)
    full = f"{module}.{qualname}"
    maker = _MAKERS.get(full)
    if maker is None and module == _ENUMERATIONS and qualname.isidentifier():
        maker = _first
    if full in SPARSE or full == CONFIG:
        maker = _record(full)
    return name_of(module, qualname, maker)


def storage(kind: Any, key: Any, elements: Any) -> StoragePart:
    """Return the placeholder of a storage that a file refers to."""
    full = kind.full if isinstance(kind, Name) else ""
    if full not in _STORAGE_DTYPES:
        raise Refused(full or "a storage of an unknown type")
    if not isinstance(key, str) or type(elements) is not int or elements < 0:
        raise Unreadable("a storage is malformed")
    return StoragePart(key, _STORAGE_DTYPES[full], elements)


def _record(full: str) -> Maker:
    def make(*args: Any) -> RecordPart:
        if args:
            raise Refused(f"a call of {full}")
        return RecordPart(full)

    return make


def _first(value: Any = None, *rest: Any) -> Any:
    return value


def _member(owner: Any, name: Any, *rest: Any) -> str:
    """An enumeration's member as Python 3.11.0 to 3.11.3 pickle it; any other use of ``getattr`` is refused."""
    if rest or not isinstance(owner, Name) or owner.module != _ENUMERATIONS or not isinstance(name, str):
        raise Refused("builtins.getattr")
    return name


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> TensorPart:
    if not isinstance(storage, StoragePart) or type(offset) is not int or offset < 0:
        raise Unreadable("a tensor has no storage")
    return TensorPart(storage, offset, whole(size), whole(stride), storage.dtype)


def _typed_tensor(storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, *rest: Any
                  ) -> TensorPart:  # fmt: skip
    part = _tensor(storage, offset, size, stride)
    if not isinstance(dtype, Name) or dtype.full not in DTYPES:
        raise Refused(dtype.full if isinstance(dtype, Name) else "a tensor of an unknown type")
    part.dtype = DTYPES[dtype.full]
    return part


def _parameter(data: Any, *rest: Any) -> TensorPart:
    if not isinstance(data, TensorPart):
        raise Unreadable("a parameter has no tensor")
    return data


def _mapping(pairs: Any = (), *rest: Any) -> OrderedPart:
    made = OrderedPart()
    for pair in pairs.items() if isinstance(pairs, dict) else pairs:
        check_keys(pair[:1])
        made[pair[0]] = pair[1]
    return made


def _default_mapping(factory: Any = None, *rest: Any) -> OrderedPart:
    if factory is not None and (not isinstance(factory, Name) or factory.full not in _HARMLESS_FACTORIES):
        raise Refused(factory.full if isinstance(factory, Name) else "a defaultdict of an unknown kind")
    return _mapping(*rest)


def _set(values: Any = ()) -> set[Any]:
    kept = _items(values)
    check_keys(kept)
    return set(kept)


def _items(values: Any) -> list[Any]:
    if not isinstance(values, list | tuple | set | frozenset):
        raise Unreadable("a set or a tuple is malformed")
    return list(values)


def _encoded(text: Any, encoding: Any = None) -> bytes:
    """Bytes as protocol 2 writes them."""
    if not isinstance(text, str) or encoding != "latin1":
        raise Refused("_codecs.encode to anything but latin1")
    return text.encode("latin1")


def _device(kind: Any = "cpu", index: Any = None) -> str:
    if not isinstance(kind, str) or not isinstance(index, int | None):
        raise Unreadable("a device is malformed")
    return kind if index is None else f"{kind}:{index}"


def _dtype(code: Any, *rest: Any) -> DtypePart:
    if not isinstance(code, str):
        raise Unreadable("a numpy dtype is malformed")
    return DtypePart(code)


def _array(cls: Any, *rest: Any) -> ArrayPart:
    if not isinstance(cls, Name) or cls.full not in (
        "numpy.ndarray",
        "numpy.matrix",
        "numpy.matrixlib.defmatrix.matrix",
    ):
        raise Refused(cls.full if isinstance(cls, Name) else "an array of an unknown class")
    return ArrayPart()


def _array_of_buffer(content: Any, dtype: Any, shape: Any, order: Any, *rest: Any) -> ArrayPart:
    made = ArrayPart()
    made.__setstate__((1, shape, dtype, order == "F", content))
    return made


def _scalar(dtype: Any, content: Any = b"") -> ArrayPart:
    made = ArrayPart()
    made.__setstate__((1, (), dtype, False, content))
    return made


def _numpy() -> Iterator[tuple[str, Maker]]:
    for core in ("numpy.core", "numpy._core"):  # before numpy 2, and since
        yield f"{core}.multiarray._reconstruct", _array
        yield f"{core}.multiarray.scalar", _scalar
        yield f"{core}.numeric._frombuffer", _array_of_buffer
    yield "numpy.dtype", _dtype


_MAKERS: dict[str, Maker] = {
    "_codecs.encode": _encoded,
    "builtins.frozenset": lambda values=(): frozenset(_set(values)),
    "builtins.bytes": lambda: b"",
    "builtins.getattr": _member,
    "builtins.set": _set,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": _default_mapping,
    "torch.Size": lambda sizes=(): tuple(_items(sizes)),
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch.device": _device,
    **dict(_numpy()),
}
