"""A small shop with structure, a fast text encoder, and runs that take a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins import TextEncoderSpec, hookimpl
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.registry import Registry, using
from ckd_plugins.training.entry import distill

N_ITEMS, N_USERS, KINDS = 60, 150, ("tea", "lamp", "rope", "soap", "drum", "coat")


class WordEncoder(TextEncoder):
    """Random vectors of words, averaged: items that share words are alike."""

    name = "words"
    dim = 32
    identity = "words-1"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        rows = [[np.random.default_rng(int(h)).standard_normal(self.dim) for h in token_hashes(t.split())] for t in texts]
        return np.array([np.mean(r, axis=0) for r in rows], dtype=np.float32).reshape(len(texts), self.dim)


class TestEncoders:
    @hookimpl
    def ckd_register_text_encoders(self) -> Iterator[TextEncoderSpec]:
        yield TextEncoderSpec(name="words", factory=WordEncoder)


@pytest.fixture(autouse=True)
def registry() -> Iterator[Registry]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = Registry(discover=False)
    made.register(TestEncoders(), "test-encoders")
    with using(made):
        yield made
    torch.set_num_threads(threads)


def write_shop(parent: Path, name: str = "shop", *, texts: bool = True, seed: int = 0, users: int = N_USERS) -> Path:
    """Users stay within a kind of item for a while and walk along it."""
    rng = np.random.default_rng(seed)
    folder = parent / name
    folder.mkdir(parents=True)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    per_kind = N_ITEMS // len(KINDS)
    for user in range(users):
        kind, at = rng.integers(len(KINDS)), rng.integers(per_kind)
        for step in range(rng.integers(6, 12)):
            if rng.random() < 0.15:
                kind = rng.integers(len(KINDS))
            at = (at + 1 + (rng.random() < 0.2)) % per_kind
            lines.append(f"u{user}\t{name}{kind * per_kind + at}\t{step + 1}")
    (folder / f"{name}.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")
    items = ["item_id:token\ttitle:token_seq\tcategories:token_seq"]
    for item in range(N_ITEMS):
        title = f"{KINDS[item // per_kind]} number{item % per_kind}" if texts else ""
        items.append(f"{name}{item}\t{title}\t{'goods ' + KINDS[item // per_kind] if texts else ''}")
    (folder / f"{name}.item").write_text("\n".join(items) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_shop(tmp_path / "data")


FAST_TEACHER = {"finetune_epochs": 3, "pretrain_epochs": 1, "hidden_size": 16, "max_length": 20}
STUDENT = {"hidden_size": 16, "inner_size": 16, "embedding_size": 16, "epochs": 2, "gpu_id": "", "train_batch_size": 256}
BY_TIME = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"}


@pytest.fixture
def run(tmp_path: Path, shop: Path) -> Callable[..., dict[str, Any]]:
    """``run("SASRec", teachers=["unisrec"], weight=2.0, epochs=1)``: a distill call on the shop."""

    def call(
        model: str = "SASRec",
        teachers: Sequence[str] = (),
        dataset: Path | None = None,
        ckd: dict[str, Any] | None = None,
        **settings: Any,
    ) -> dict[str, Any]:
        section = {
            "teachers": [{"name": name, **FAST_TEACHER} for name in teachers],
            "text": {"encoder": "words"},
            "run_dir": str(tmp_path / "runs"),
            "cache_dir": str(tmp_path / "cache"),
            **(ckd or {}),
        }
        given = {**STUDENT, "eval_args": BY_TIME, "metrics": ["Recall", "NDCG"], "valid_metric": "NDCG@10", **settings}
        return distill(model, dataset or shop, None, {**given, "ckd": section})

    return call
