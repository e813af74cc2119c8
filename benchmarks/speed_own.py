"""A run of this package, a step at a time, with the speed-ups that every run has; commands as ``speed_stock.py``."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from speed_stock import Part, serve

TEACHERS = (
    {"name": "unisrec", "finetune_epochs": 1},
    {"name": "vqrec", "finetune_epochs": 1},
    {"name": "recbole", "model": "ItemKNN"},
)
"""What their knowledge is worth is no question here: an epoch, so that they are soon there. The sizes are their own."""


class Worker:
    """A model prepared as ``distill`` prepares it; plain, or with teachers."""

    def __init__(
        self,
        model: str,
        dataset: str,
        settings: dict[str, Any],
        teachers: bool = False,
        ckd: dict[str, Any] | None = None,
    ) -> None:
        from ckd_plugins.config import CkdConfig
        from ckd_plugins.host.data import load_splits
        from ckd_plugins.host.journal import recbole_log
        from ckd_plugins.host.models import build_model
        from ckd_plugins.host.settings import build_config, find_dataset
        from ckd_plugins.host.speed.model import speed_up
        from ckd_plugins.host.speed.optimizer import fuse_adam
        from ckd_plugins.host.trainer import build_trainer
        from ckd_plugins.registry import get_registry
        from ckd_plugins.training.material import gather
        from ckd_plugins.training.ordering import order_rows
        from ckd_plugins.training.subscribe import subscribe

        folder = Path(tempfile.mkdtemp(prefix="ckd-speed-"))
        self._open = ExitStack()
        self._open.enter_context(recbole_log(folder))
        self._registry = get_registry()
        chosen: dict[str, Any] = {"teachers": list(TEACHERS), "curriculum": True} if teachers else {}
        self._ckd = CkdConfig.parse({**chosen, **(ckd or {})})
        self._student = subscribe(model, self._registry)
        found = find_dataset(dataset)
        self._config = build_config(self._student.model, found, settings, folder, defaults=self._student.defaults)
        started = time.perf_counter()
        self._splits = load_splits(self._config, self._ckd.speed)
        self.data_seconds = time.perf_counter() - started
        self.model = build_model(self._config, self._splits)
        self.faster = speed_up(self.model, self._splits.train, self._config, self._ckd.speed)
        material = gather(self._splits, self._config, found, self._ckd.text.fields)
        taught = self._teach(material) if teachers else []
        signals = [one.signal for one in taught]
        self._order = order_rows(self.model, self._splits, material, signals, self._ckd, self._config, self._registry)
        if teachers:
            self._distil(material, taught)
        self.trainer = build_trainer(self._config, self.model, folder, [], ranking=self._ckd.speed.ranking)
        if self._ckd.speed.optimizer:
            fuse_adam(self.trainer.optimizer)
        self.trainer.eval_collector.data_collect(self._splits.train)
        self.epochs = 0

    def _teach(self, material: Any) -> list[Any]:
        from ckd_plugins.training.progress import Silent
        from ckd_plugins.training.teaching import teach

        seed = int(self._config["seed"])
        taught = teach(self._ckd.teachers, material, [], self._ckd, self._registry, Silent(), seed)
        self._material, self._teachers = material, {one.name: one.teacher for one in taught}
        return taught

    def _distil(self, material: Any, taught: list[Any]) -> None:
        from ckd_plugins.host.loaders import rows_a_batch
        from ckd_plugins.training.progress import Silent
        from ckd_plugins.training.soft_targets import integrates_once, soft_targets
        from ckd_plugins.training.student import choose_reader, make_student

        reader = choose_reader(self.model, self._splits, self._config, self._registry, self._student)
        soft = None
        if integrates_once(self._ckd, reader, self._registry):
            soft = soft_targets(taught, material, self._ckd, self._registry, Silent())
        make_student(
            self.model,
            reader,
            [one.signal for one in taught],
            material,
            self._ckd,
            self._registry,
            int(self._config["seed"]),
            rows_a_batch(self._splits.train),
            self._student,
            soft,
        )

    def epoch(self, number: int | None = None, batches: int = 0) -> float:
        """Train an epoch; seconds.

        Args:
            number: the curriculum's epoch; without it all rows are in use.
            batches: stop after so many, and tell the seconds of a whole epoch: batches are shuffled.
        """
        if self._order is not None:
            self._order.set_epoch(10**6 + self.epochs if number is None else number)
        train, total = self._splits.train, len(self._splits.train)
        started = time.perf_counter()
        self.trainer._train_epoch(Part(train, batches) if batches else train, self.epochs)
        self.epochs += 1
        return (time.perf_counter() - started) * total / min(batches or total, total)

    def evaluate(self) -> float:
        """Rank the validation rows; seconds."""
        for cache in ("restore_user_e", "restore_item_e"):
            if hasattr(self.model, cache):
                setattr(self.model, cache, None)
        started = time.perf_counter()
        self.metrics = self.trainer.evaluate(self._splits.valid, load_best_model=False)
        return time.perf_counter() - started

    def sizes(self) -> None:
        """Parameters of the student and of each teacher, as ``metrics``."""
        students = sum(p.numel() for p in self.model.parameters())
        self.metrics = {name: teacher.parameters for name, teacher in self._teachers.items()}
        self.metrics["SASRec, distilled"] = students

    def test(self) -> float:
        """Rank the test rows by the student; seconds."""
        started = time.perf_counter()
        self.trainer.evaluate(self._splits.test, load_best_model=False)
        return time.perf_counter() - started

    def test_teacher(self, name: str) -> float:
        """Rank the same rows by a teacher, its items' vectors included; seconds."""
        from ckd_plugins.training.judging import judge_teacher

        started = time.perf_counter()
        judge_teacher(self._teachers[name], self._material, self._splits, self._config)
        return time.perf_counter() - started


if __name__ == "__main__":
    serve(Worker)
