"""What whoever asks a teacher needs: the teacher, the instances, and which of them the store's rows are."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd_plugins.domains.instances import Instances
from ckd_plugins.errors import SignalError
from ckd_plugins.registry import get_registry
from ckd_plugins.signals.files import json_bytes

__all__ = ["Job"]

_TOKENS = ("items", "users")
_COLUMNS = tuple(field.name for field in fields(Instances) if field.name not in _TOKENS)


@dataclass(frozen=True)
class Job:
    """A teacher that is to be asked about the rows of a store."""

    name: str
    """What the teacher is registered as."""
    folder: Path
    """Where it is kept."""
    teacher: Any
    instances: Instances
    rows: NDArray[np.int64]
    """Which instance each row of the store is."""

    def answers(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What the teacher says of some instances, by the columns of the store."""
        if self.teacher.form == "topk":
            ids, scores = self.teacher.lists(self.instances, rows)
            return {"ids": ids, "scores": scores}
        return {"vectors": self.teacher.encode(self.instances, rows)}

    @property
    def about(self) -> dict[str, Any]:
        """What is not an array: tokens, and how to load the teacher. JSON can hold it."""
        return {
            "name": self.name,
            "folder": str(self.folder.absolute()),
            "device": getattr(self.teacher, "device", None),
            **{name: list(getattr(self.instances, name)) for name in _TOKENS},
        }

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The instances' columns, and ``rows``."""
        return {"rows": self.rows, **{name: getattr(self.instances, name) for name in _COLUMNS}}

    @classmethod
    def of(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], folder: Path, number: int = 0) -> Job:
        """Put :attr:`about` and :attr:`arrays` together again in another process.

        Args:
            about: as the property had it.
            arrays: as the property had them.
            folder: where the teacher is kept, as this process sees it.
            number: of the process among its machine's; several share out the GPUs, if the teacher was on one.

        Raises:
            TeacherError: the folder holds no such teacher.
            UnknownNameError: this process does not know the teacher.
        """
        given: dict[str, Any] = {name: tuple(about[name]) for name in _TOKENS}
        instances = Instances(**given | {name: arrays[name] for name in _COLUMNS})
        teacher = _load(about["name"], folder, about["device"], number)
        return cls(about["name"], folder, teacher, instances, np.asarray(arrays["rows"]))

    def save(self, folder: Path) -> None:
        """Write it for processes that see the same files; nothing is pickled."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in self.arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        (folder / "job.json").write_bytes(json_bytes(self.about))

    @classmethod
    def read(cls, folder: Path, number: int = 0) -> Job:
        """Return the job that :meth:`save` wrote, its arrays mapped.

        Raises:
            SignalError: this process does not see the folder.
        """
        try:
            about = json.loads((folder / "job.json").read_bytes())
        except FileNotFoundError:
            raise SignalError(
                f"this process does not see {folder}; processes on several machines need one cache folder that all "
                "see (set CKD_CACHE), or use --ray, which needs none"
            ) from None
        arrays = {n: np.load(folder / f"{n}.npy", mmap_mode="c", allow_pickle=False) for n in ("rows", *_COLUMNS)}
        return cls.of(about, arrays, Path(about["folder"]), number)


def _load(name: str, folder: Path, device: str | None, number: int) -> Any:
    """Load a teacher on the kind of device that it was on."""
    load = get_registry().record("teacher", name).load().load
    takes = inspect.signature(load).parameters.values()
    if device is None or not any(p.name == "device" or p.kind is p.VAR_KEYWORD for p in takes):
        return load(folder)
    if device == "cuda":
        import torch

        device = f"cuda:{number % max(1, torch.cuda.device_count())}"
    return load(folder, device=device)
