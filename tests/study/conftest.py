"""Results of runs that never were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest


@pytest.fixture
def result() -> Callable[..., dict[str, Any]]:
    """``result("BPR", 0.1, teachers={"unisrec": 0.2})``: what ``distill`` would return, with such an NDCG."""

    def make(
        model: str = "SASRec",
        ndcg: float = 0.1,
        teachers: Mapping[str, float | None] | None = None,
        *,
        epochs: int = 3,
        protocol: str = "all items",
        reused: bool = False,
        run_dir: str = "/runs/1",
        metrics: Mapping[str, float] | None = None,
        curriculum: bool = False,
    ) -> dict[str, Any]:
        teachers = teachers or {}
        history = []
        for epoch in range(epochs):
            entry: dict[str, Any] = {"epoch": epoch, "loss": 2.0, "train_loss": 20.0, "seconds": 0.5}
            if teachers:
                entry |= {"own_loss": 1.5, "distillation_loss": 0.5}
                for name in teachers:
                    entry |= {f"{what}/{name}": 0.5 for what in ("weight", "confidence", "consistency", "known")}
            if curriculum:
                entry |= {"competence": (epoch + 1) / epochs, "rows": 10.0 * epoch}
            if epoch % 2 == 0:
                entry["valid_score"] = ndcg * (epoch + 1) / epochs
            history.append(entry)
        about = {
            "model": model,
            "dataset": "shop",
            "run_dir": run_dir,
            "protocol": protocol,
            "teachers": {
                name: {
                    "test_result": None if score is None else {"recall@10": 2 * score, "ndcg@10": score},
                    "seconds": {} if reused else {"finetune": 20.0, "cache": 1.5},
                    "reused": reused,
                    "parameters": 1000,
                }
                for name, score in teachers.items()
            },
            "seconds": {"fit": 12.34},
            "epochs": epochs,
            "parameters": 123456,
            "history": history,
            "seed": 2020,
        }
        shown = {"recall@10": 2 * ndcg, "ndcg@10": ndcg} if metrics is None else dict(metrics)
        return {"test_result": shown, "ckd": about}

    return make
