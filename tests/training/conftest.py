"""A small shop with structure, a fast text encoder, and runs that take a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins import TextEncoderSpec, hookimpl
from ckd_plugins.config import CkdConfig
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.models import build_model
from ckd_plugins.host.settings import DatasetPath, build_config, find_dataset
from ckd_plugins.registry import Registry, using
from ckd_plugins.training.entry import distill
from ckd_plugins.training.material import Material, gather
from ckd_plugins.training.teaching import Taught, teach

from .fakes import LastItem, Teach, Teachers

N_ITEMS, N_USERS, KINDS = 60, 150, ("tea", "lamp", "rope", "soap", "drum", "coat")


class WordEncoder(TextEncoder):
    """Random vectors of words, averaged: items that share words are alike."""

    name = "words"
    dim = 32
    identity = "words-1"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        rows = [
            [np.random.default_rng(int(h)).standard_normal(self.dim) for h in token_hashes(t.split())] for t in texts
        ]
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
STUDENT = {
    "hidden_size": 16,
    "inner_size": 16,
    "embedding_size": 16,
    "epochs": 2,
    "gpu_id": "",
    "train_batch_size": 256,
}
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


@dataclass(frozen=True)
class Prepared:
    host: Any
    splits: Splits
    material: Material
    model: Any
    dataset: DatasetPath


@pytest.fixture
def prepare(tmp_path: Path, shop: Path) -> Callable[..., Prepared]:
    """``prepare("SASRec")``: data, material and model of a run on the shop, short of teachers and training."""

    def make(model: str, dataset: Path | None = None, **settings: Any) -> Prepared:
        found = find_dataset(dataset or shop)
        given = {**STUDENT, "eval_args": BY_TIME, "metrics": ["Recall", "NDCG"], "valid_metric": "NDCG@10", **settings}
        with recbole_log(tmp_path):
            host = build_config(model, found, given, tmp_path / "prepared")
            splits = load_splits(host)
            material = gather(splits, host, found, ("title", "categories"))
            return Prepared(host, splits, material, build_model(host, splits), found)

    return make


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tasks: dict[str, list[tuple[float, str]]] = {}
        self.totals: dict[str, int] = {}

    def say(self, line: str) -> None:
        self.lines.append(line)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Callable[[float, str], None]]:
        steps = self.tasks[title] = []
        self.totals[title] = total
        yield lambda done, note: steps.append((done, note))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def add_graph(folder: Path) -> dict[str, Any]:
    """Write a knowledge graph beside a shop; returns the settings that load it."""
    name = folder.name
    links = [f"{name}{item}\te{item}" for item in range(N_ITEMS)]
    triples = [f"e{item}\tkind\tk{item // 10}" for item in range(N_ITEMS)]
    triples += [f"e{item}\tnext\te{(item + 1) % N_ITEMS}" for item in range(N_ITEMS)]
    for suffix, header, rows in (
        ("link", "item_id:token\tentity_id:token", links),
        ("kg", "head_id:token\trelation_id:token\ttail_id:token", triples),
    ):
        (folder / f"{name}.{suffix}").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    columns = {
        "inter": ["user_id", "item_id", "timestamp"],
        "kg": ["head_id", "relation_id", "tail_id"],
        "link": ["item_id", "entity_id"],
    }
    return {"load_col": columns, "kg_embedding_size": 16}


def add_side_features(folder: Path) -> None:
    """Give a shop's items prices, and its users ages and postal codes."""
    path = folder / f"{folder.name}.item"
    head, *lines = path.read_text().splitlines()
    priced = [f"{head}\tprice:float", *(f"{line}\t{i % 7 + 0.5}" for i, line in enumerate(lines))]
    path.write_text("\n".join(priced) + "\n", encoding="utf-8")
    users = ["user_id:token\tage:token\tzip:token", *(f"u{u}\t{u % 5}\tz{u}" for u in range(N_USERS))]
    (folder / f"{folder.name}.user").write_text("\n".join(users) + "\n", encoding="utf-8")


@pytest.fixture
def fakes(registry: Registry) -> None:
    """The teachers of :mod:`.fakes` by their names."""
    registry.register(Teachers(), "test-teachers")
    LastItem.calls.clear()


@pytest.fixture
def ask(prepare: Any, fakes: None, registry: Registry, tmp_path: Path, recorder: Recorder) -> Teach:
    """``ask("last", shade=1)``: that teacher, ready, for SASRec's rows; ``model=`` for those of another student."""
    material: dict[str, Any] = {}

    def call(
        name: str, model: str = "SASRec", seed: int = 0, pretraining: Any = (), signals: Any = "float16", **options: Any
    ) -> Taught:
        section = {"teachers": [{"name": name, **options}], "cache_dir": str(tmp_path / "cache"), "signals": signals}
        config = CkdConfig.parse(section)
        material[model] = material.get(model) or prepare(model).material
        (taught,) = teach(config.teachers, material[model], pretraining, config, registry, recorder, seed)
        return taught

    return call
