"""A tiny shop with real words, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from ckd_plugins import TextEncoderSpec, hookimpl
from ckd_plugins.cli.main import main
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.registry import Registry

THINGS = (
    "green tea",
    "table lamp",
    "climbing rope",
    "olive soap",
    "snare drum",
    "rain coat",
    "oak chair",
    "tin kettle",
)
MAKES = ("small", "large", "blue", "old", "new")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Forty items; a user keeps to one or two kinds."""
    rng, folder = np.random.default_rng(0), tmp_path / "data" / "tiny"
    folder.mkdir(parents=True)
    inter, items = ["user_id:token\titem_id:token\ttimestamp:float"], ["item_id:token\ttitle:token_seq"]
    for user in range(60):
        kinds = rng.choice(len(THINGS), 2, replace=False)
        chosen = [k * len(MAKES) + m for k in kinds for m in range(len(MAKES))]
        inter += [f"u{user}\ti{item}\t{t}" for t, item in enumerate(rng.permutation(chosen)[: rng.integers(5, 9)], 1)]
    items += [
        f"i{k * len(MAKES) + m}\t{make} {thing}" for k, thing in enumerate(THINGS) for m, make in enumerate(MAKES)
    ]
    (folder / "tiny.inter").write_text("\n".join(inter) + "\n", encoding="utf-8")
    (folder / "tiny.item").write_text("\n".join(items) + "\n", encoding="utf-8")
    return folder


class WordEncoder(TextEncoder):
    """Random vectors of words, averaged."""

    name, dim, identity = "words", 16, "words-1"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        rows = [
            [np.random.default_rng(int(h)).standard_normal(self.dim) for h in token_hashes(t.split())] for t in texts
        ]
        return np.array([np.mean(r, axis=0) for r in rows], dtype=np.float32).reshape(len(texts), self.dim)


class Words:
    @hookimpl
    def ckd_register_text_encoders(self) -> Iterator[TextEncoderSpec]:
        yield TextEncoderSpec(name="words", factory=WordEncoder)


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


@pytest.fixture
def ckd(
    ckd_manager: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """``ckd("distill", "BPR", ...)``: status and output; the working directory and the cache are below ``tmp_path``."""
    ckd_manager.register(Words(), "words")
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setenv("CKD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([str(a) for a in arguments])
        return Done(int(caught.value.code or 0), *capsys.readouterr())

    yield call
    torch.set_num_threads(threads)


def fast(*more: str) -> list[str]:
    """Options of a run that takes a second."""
    teacher = "ckd.teachers=[{name: unisrec, finetune_epochs: 1, hidden_size: 16, max_length: 10}]"
    pairs = ["epochs=1", "embedding_size=8", "hidden_size=8", "inner_size=8", "gpu_id=''", "ckd.text.encoder=words"]
    return [part for pair in (*pairs, teacher, *more) for part in ("--set", pair)]


PLAIN = fast("ckd.teachers=[]")
