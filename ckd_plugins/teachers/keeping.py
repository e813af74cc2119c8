"""Where a training keeps how far it is, so that it outlives its process.

Whoever calls ``pretrain`` or ``finetune`` says where with :func:`kept_in`; :func:`ckd_plugins.teachers.fitting.fit`
finds it. A teacher that trains through ``fit`` needs no code of its own for it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ckd_plugins._whole import whole
from ckd_plugins.teachers.history import Stage

__all__ = ["Keeper", "Slot", "active_keeper", "kept_in", "watched", "watched_generators"]

FORMAT = 1
EVERY = 60.0


class Keeper:
    """A folder with a file for each training loop of a teacher's making.

    Args:
        folder: made with the first file.
        identity: everything that decides the weights; what was kept under another one is not taken up.
        every: seconds after which an epoch's inside is kept too.
        told: gets a line when something is taken up, or cannot be.
    """

    def __init__(
        self, folder: str | Path, identity: str, *, every: float = EVERY, told: Callable[[str], None] | None = None
    ) -> None:
        self.folder, self.identity, self.every = Path(folder), identity, every
        self._told, self._fits = told, Counter[Stage]()

    def slot(self, stage: Stage) -> Slot:
        """The place of the next training loop of a stage: a stage may have several, always in one order."""
        self._fits[stage] += 1
        return Slot(self, self.folder / f"{stage}-{self._fits[stage]}.safetensors")

    def say(self, line: str) -> None:
        """Tell whoever wants to know."""
        if self._told is not None:
            self._told(line)


class Slot:
    """One training loop's file: tensors, and JSON in its header, written as one.

    Args:
        keeper: whose it is.
        path: the file.
    """

    def __init__(self, keeper: Keeper, path: Path) -> None:
        self.keeper, self.path = keeper, path
        self._written = time.perf_counter()

    @property
    def due(self) -> bool:
        """Whether it is time to write within an epoch."""
        return time.perf_counter() - self._written >= self.keeper.every

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return what :meth:`write` wrote under the same identity, or ``None``."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                about: dict[str, Any] = json.loads((file.metadata() or {})["ckd"])
                if about["format"] != FORMAT or about["identity"] != self.keeper.identity:
                    self.keeper.say("what was kept was begun with other data or options; starting again")
                    return None
                return {name: file.get_tensor(name) for name in file.keys()}, about["state"]  # noqa: SIM118
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            self.keeper.say(f"what was kept cannot be read ({error}); starting again")
            return None

    def write(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write: whenever the process ends, the old file or the new one is there as a whole.

        Where it cannot be written, as on a full disk, that is told, and training goes on without.
        """
        about = json.dumps({"format": FORMAT, "identity": self.keeper.identity, "state": state})
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        try:
            self.keeper.folder.mkdir(parents=True, exist_ok=True)
            with whole(self.path, locked=True) as beside:
                save_file(plain, beside, metadata={"ckd": about})
        except (OSError, SafetensorError) as error:
            self.keeper.say(f"how far training is cannot be kept ({error}); it goes on, and a kill would lose it")
        self._written = time.perf_counter()


_keeper: ContextVar[Keeper | None] = ContextVar("ckd_keeper", default=None)
_generators: ContextVar[tuple[np.random.Generator, ...]] = ContextVar("ckd_generators", default=())


@contextmanager
def kept_in(
    folder: str | Path, identity: str, *, every: float = EVERY, told: Callable[[str], None] | None = None
) -> Iterator[Keeper]:
    """Let every :func:`~ckd_plugins.teachers.fitting.fit` of a block keep and take up its state; see :class:`Keeper`.

    Example:
        >>> with kept_in("unisrec.partial", "unisrec, these data, these options"):  # doctest: +SKIP
        ...     teacher.pretrain(domains)
        ...     teacher.finetune(domain)
    """
    token = _keeper.set(Keeper(folder, identity, every=every, told=told))
    try:
        yield _keeper.get()  # type: ignore[misc]
    finally:
        _keeper.reset(token)


def active_keeper() -> Keeper | None:
    """The innermost :func:`kept_in`'s."""
    return _keeper.get()


@contextmanager
def watched(generator: np.random.Generator) -> Iterator[np.random.Generator]:
    """Count a generator to the state of the training loops of a block, as torch's own always are.

    A loop with none watched has its epochs' batches drawn and passed over when it is taken up: right where they come
    from a generator that was seeded just before, but slower; and a stage of several loops needs it.
    """
    token = _generators.set((*_generators.get(), generator))
    try:
        yield generator
    finally:
        _generators.reset(token)


def watched_generators() -> tuple[np.random.Generator, ...]:
    """Those of the enclosing :func:`watched`, outermost first."""
    return _generators.get()
