"""Stock RecBole 1.2.1 in its legacy environment, a step at a time: nothing of this package is imported.

Run by ``speed.py``; reads commands from standard input and answers each with a line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from itertools import islice
from typing import Any

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"


class Worker:
    """A model of stock RecBole with its data and trainer."""

    def __init__(self, model: str, dataset: str, settings: dict[str, Any]) -> None:
        from recbole.config import Config
        from recbole.data import create_dataset, data_preparation
        from recbole.utils import get_model, get_trainer, init_seed

        given, sys.argv = sys.argv, sys.argv[:1]  # RecBole takes a program's arguments for settings
        config = Config(model=model, dataset=dataset, config_dict=settings)
        sys.argv = given
        init_seed(config["seed"], config["reproducibility"])
        started = time.perf_counter()
        whole = create_dataset(config)
        self.train, self.valid, self.test = data_preparation(config, whole)
        self.data_seconds = time.perf_counter() - started
        init_seed(config["seed"], config["reproducibility"])
        self.model = get_model(model)(config, self.train._dataset)
        self.trainer = get_trainer(config["MODEL_TYPE"], model)(config, self.model)
        self.trainer.eval_collector.data_collect(self.train)
        self.epochs = 0

    def epoch(self, batches: int = 0) -> float:
        """Train an epoch, or so many of its batches (each costs the same); seconds of a whole epoch."""
        total = len(self.train)
        part: Any = self.train if not batches else Part(self.train, batches)
        started = time.perf_counter()
        self.trainer._train_epoch(part, self.epochs)
        spent = time.perf_counter() - started
        self.epochs += 1
        return spent * total / min(batches or total, total)

    def evaluate(self, batches: int = 0) -> float:
        """Rank the validation rows, or those of so many batches; seconds of a whole."""
        for cache in ("restore_user_e", "restore_item_e"):
            if hasattr(self.model, cache):
                setattr(self.model, cache, None)
        total = len(self.valid)
        if batches:
            from recbole.data.dataloader import FullSortEvalDataLoader

            stock, count = FullSortEvalDataLoader.__iter__, min(batches, total)
            FullSortEvalDataLoader.__iter__ = lambda loader: islice(stock(loader), count)
        started = time.perf_counter()
        try:
            self.metrics = self.trainer.evaluate(self.valid, load_best_model=False)
        finally:
            if batches:
                FullSortEvalDataLoader.__iter__ = stock
        return (time.perf_counter() - started) * total / min(batches or total, total)


class Part:
    """The first batches of a loader."""

    def __init__(self, loader: Any, batches: int) -> None:
        self._loader, self._batches = loader, batches

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Any:
        return islice(iter(self._loader), self._batches)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def serve(make: Any) -> None:
    """Answer commands, ``{"do": "epoch", ...}`` or ``{"do": "memory"}``, until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # RecBole prints
    worker = make(**json.loads(sys.stdin.readline()))
    print(json.dumps({"seconds": worker.data_seconds}), file=answers)
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        seconds = None if do == "memory" else getattr(worker, do)(**command)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        metrics = {k: float(v) for k, v in (getattr(worker, "metrics", None) or {}).items()}
        print(json.dumps({"seconds": seconds, "peak_mb": peak, "metrics": metrics}), file=answers)


if __name__ == "__main__":
    serve(Worker)
