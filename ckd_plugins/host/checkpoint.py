"""Reading RecBole checkpoints without running what is in them.

A RecBole checkpoint is a pickle that holds, beside the weights, a ``Config`` object; ``weights_only=True`` refuses
it, and a plain ``torch.load`` executes whatever the file says. The reader here rebuilds tensors and plain values,
turns RecBole's configuration objects into inert records, and refuses every other name. A TorchScript archive is
refused unread: ``torch.load`` hands it to ``torch.jit.load``, past any pickle module, and its code runs.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import torch

from ckd_plugins.errors import CkdError
from ckd_plugins.host.zoo import model_class, registered_students

__all__ = ["read_checkpoint"]

_ALLOWED = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.BFloat16Storage",
    "torch.DoubleStorage",
    "torch.LongStorage",
    "torch.IntStorage",
    "torch.ShortStorage",
    "torch.ByteStorage",
    "torch.BoolStorage",
    "torch.Size",
    "torch.device",
    "torch.dtype",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "builtins.set",
    "builtins.frozenset",
    "builtins.slice",
}
"""Names whose construction can do nothing but hold data."""


_INERT = ("recbole.", "yaml.")
"""Modules whose classes a ``Config`` mentions: replaced by :class:`Inert`, never imported."""


def _students() -> set[str]:
    """Names of the registered students' classes, which a run's ``Config`` holds; they are not loaded either."""
    return {f"{cls.__module__}.{cls.__qualname__}" for cls in map(model_class, registered_students())}


class Inert:
    """Stands in for an object of a class that is not loaded: its state, and nothing that runs."""

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)
        else:
            self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in _ALLOWED:
            return super().find_class(module, name)
        if module.startswith(_INERT) or full in _students():
            return type(name, (Inert,), {"__module__": "ckd_plugins.host.checkpoint"})
        raise CkdError(
            f"checkpoint refused: it asks for {full!r}, which could run code; "
            f"load it where you trust it and save its state_dict"
        )


class _PickleModule:
    """What ``torch.load`` needs of a pickle module."""

    __name__ = "ckd_plugins.host.checkpoint"
    Unpickler = _Unpickler

    @staticmethod
    def load(file: Any, **kwargs: Any) -> Any:
        return _Unpickler(file, **kwargs).load()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a RecBole checkpoint (``state_dict``, ``config``, ``epoch`` ...) with all tensors on the CPU.

    Returns:
        The checkpoint's dictionary. RecBole objects in it are inert records with the original attributes.

    Raises:
        CkdError: the file is not a checkpoint, or it names anything but tensors, plain values and RecBole's settings.
    """
    try:
        with path.open("rb") as file:  # opened once: what was checked is what is loaded
            if _is_torchscript(file):
                raise CkdError(
                    f"checkpoint refused: {path} is a TorchScript archive, which could run code; "
                    f"load it where you trust it and save its state_dict"
                )
            loaded = torch.load(file, map_location="cpu", weights_only=False, pickle_module=_PickleModule)
    except CkdError:
        raise
    except Exception as error:
        raise CkdError(f"{path} cannot be read as a checkpoint: {error}") from error
    if not isinstance(loaded, dict) or "state_dict" not in loaded:
        raise CkdError(f"{path} is no RecBole checkpoint: it has no 'state_dict'")
    return loaded


def _is_torchscript(file: BinaryIO) -> bool:
    """Whether ``torch.load`` would hand the file to ``torch.jit.load``.

    Records are listed by torch's own reader: another zip reader may find other names in a crafted file.
    """
    is_zip = file.read(4) == b"PK\x03\x04"
    file.seek(0)
    if not is_zip:
        return False
    records = torch._C.PyTorchFileReader(file).get_all_records()
    file.seek(0)
    return any(name.rpartition("/")[2] == "constants.pkl" for name in records)
