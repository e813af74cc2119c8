"""Teachers that count what they are asked, each with a quirk; ``fakes`` registers them, ``ask`` asks them."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from ckd_plugins import TeacherSpec, hookimpl
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.teachers.base import Teacher
from ckd_plugins.teachers.history import Epoch, History
from ckd_plugins.training.teaching import Taught

Teach = Callable[..., Taught]


def vectors(tokens: tuple[str, ...]) -> np.ndarray:
    return np.array([np.random.default_rng(int(h)).standard_normal(8) for h in token_hashes(tokens)], np.float32)


class LastItem(Teacher):
    """Scores items by their likeness to the last one; counts what it is asked to do."""

    name: ClassVar[str] = "last"
    max_length, temperature, finetune_epochs, pretrain_epochs = 5, 0.5, 2, 1
    calls: ClassVar[Counter[str]] = Counter()

    def __init__(self, *, shade: int = 0, seed: int = 0) -> None:
        self.shade, self.seed = shade, seed

    def pretrain(self, domains: Any, *, progress: Any = None) -> History:
        self.calls["pretrain"] += 1
        progress(Epoch("pretrain", 1, 1, 2.0, None, 0.0))
        return History()

    def finetune(self, domain: Any, *, progress: Any = None) -> History:
        self.calls["finetune"] += 1
        logging.getLogger("ckd_plugins").warning("no image of %s", domain.items[0])
        assert (domain.test == -1).all()
        for number in (1, 2):
            progress(Epoch("finetune", number, 2, 1.0 / number, 0.25, 0.0))
        return History()

    def item_factors(self, domain: Any) -> np.ndarray:
        return vectors(domain.items)

    def encode(self, instances: Any, rows: Any = None) -> np.ndarray:
        self.calls["encode"] += 1
        rows = np.arange(len(instances)) if rows is None else np.asarray(rows)
        last = np.clip(instances.stop[rows] - 1, 0, None)
        found = vectors(instances.items)[instances.flat[last]]
        found[instances.lengths[rows] == 0] = 0
        return found

    @property
    def digest(self) -> str:
        return f"{self.shade}-{self.seed}"

    @property
    def parameters(self) -> int:
        return 0

    def save(self, folder: str | Path) -> None:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "config.json").write_text(json.dumps({"shade": self.shade, "seed": self.seed}))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        return cls(**json.loads((Path(folder) / "config.json").read_text()))


class FromFile(LastItem):
    """Starts from a file."""

    name: ClassVar[str] = "from-file"
    files: ClassVar[tuple[str, ...]] = ("checkpoint",)

    def __init__(self, *, checkpoint: str | None = None, shade: int = 0, seed: int = 0) -> None:
        super().__init__(shade=shade, seed=seed)


class Partial(LastItem):
    """Does not know every third item."""

    name: ClassVar[str] = "partial"

    def known_items(self, domain: Any) -> np.ndarray:
        return np.arange(domain.n_items) % 3 != 0


class Lister(LastItem):
    """Lists two items, and has no opinion on the rest."""

    name: ClassVar[str] = "lister"
    form, outside, k = "topk", "mask", 2

    def lists(self, instances: Any, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        return np.tile(np.array([4, 7], np.int32), (len(rows), 1)), np.tile(np.array([2.0, 1.0]), (len(rows), 1))


class Forgetful(LastItem):
    """Its save writes nothing of use."""

    name: ClassVar[str] = "forgetful"

    def save(self, folder: str | Path) -> None:
        Path(folder).mkdir()
        (Path(folder) / "model.bin").write_bytes(b"1234")


class Killed(LastItem):
    """The process ends while it saves, with its settings on disk already."""

    name: ClassVar[str] = "killed"
    alive: ClassVar[bool] = False

    def save(self, folder: str | Path) -> None:
        super().save(folder)
        if not self.alive:
            raise KeyboardInterrupt


class Teachers:
    @hookimpl
    def ckd_register_teachers(self) -> Iterator[TeacherSpec]:
        for cls in (LastItem, FromFile, Partial, Lister, Forgetful, Killed):
            yield TeacherSpec(name=cls.name, factory=cls)


def untestable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let :class:`LastItem` fail wherever it is asked about all rows at once, as it is to be judged."""
    own = LastItem.encode

    def encode(self: LastItem, instances: Any, rows: Any = None) -> Any:
        if rows is None:
            raise KeyError("brand")
        return own(self, instances, rows)

    monkeypatch.setattr(LastItem, "encode", encode)
